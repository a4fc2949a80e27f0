// What is fuzzed, by name. A target is one parser or several small ones, its parts; of several the first octet of an input says
// which: 'a' is the first. A part takes any octets, and ends the program when an invariant breaks. libfuzzer.cpp runs one target
// under clang's libFuzzer; replay.cpp runs them over their corpora and over mutations of these. docs/fuzzing.md tells of it all.
#pragma once
#include <span>
#include <string_view>
#include <vector>

namespace fuzz {

struct Part {
  std::string_view name;
  void (*run)(std::string_view input);
};

struct Target {
  std::string_view name;
  std::vector<Part> parts;
  int cost = 1;                            // of a run, beside that of a small parser
};
std::span<const Target> targets();
const Target* find_target(std::string_view name);

// The part that an input is for, and what of the input is for it.
void run(const Target& target, std::string_view input);

// Says what broke, then aborts.
void require(bool holds, const char* invariant);

void address(std::string_view input);
void aliases(std::string_view input);
void answers(std::string_view input);
void badmail(std::string_view input);
void base64(std::string_view input);
void certificates(std::string_view input);
void client_session(std::string_view input);
void clients(std::string_view input);
void command(std::string_view input);
void configuration(std::string_view input);
void convert(std::string_view input);
void credentials(std::string_view input);
void data(std::string_view input);
void date(std::string_view input);
void deferred(std::string_view input);
void digits(std::string_view input);
void dns(std::string_view input);
void dns_name(std::string_view input);
void dovecot_line(std::string_view input);
void drop(std::string_view input);
void dsn(std::string_view input);
void envelope(std::string_view input);
void escapes(std::string_view input);
void forward(std::string_view input);
void glob(std::string_view input);
void header(std::string_view input);
void history(std::string_view input);
void http(std::string_view input);
void job(std::string_view input);
void job_texts(std::string_view input);
void journal(std::string_view input);
void journal_headers(std::string_view input);
void keytab(std::string_view input);
void ldap_entry(std::string_view input);
void ldap_values(std::string_view input);
void ldap_words(std::string_view input);
void letter(std::string_view input);
void line_ends(std::string_view input);
void list(std::string_view input);
void listing(std::string_view input);
void mailbox(std::string_view input);
void masking(std::string_view input);
void media_type(std::string_view input);
void memory_file(std::string_view input);
void name_server(std::string_view input);
void names(std::string_view input);
void next_hop(std::string_view input);
void packet(std::string_view input);
void passwd_edit(std::string_view input);
void passwd_file(std::string_view input);
void password_entry(std::string_view input);
void path_template(std::string_view input);
void pauses(std::string_view input);
void pickup(std::string_view input);
void principal(std::string_view input);
void progress(std::string_view input);
void quantity(std::string_view input);
void queue_id(std::string_view input);
void received(std::string_view input);
void replayed(std::string_view input);
void reply(std::string_view input);
void report_template(std::string_view input);
void resolv_conf(std::string_view input);
void sasl_external(std::string_view input);
void sasl_gssapi(std::string_view input);
void sasl_login(std::string_view input);
void sasl_oauthbearer(std::string_view input);
void sasl_plain(std::string_view input);
void sasl_scram(std::string_view input);
void sasl_scram_plus(std::string_view input);
void sasl_xoauth2(std::string_view input);
void saslprep(std::string_view input);
void schedule(std::string_view input);
void scram_client(std::string_view input);
void scram_messages(std::string_view input);
void selection(std::string_view input);
void sender_field(std::string_view input);
void senders_file(std::string_view input);
void sendmail_message(std::string_view input);
void sendmail_options(std::string_view input);
void server_reply(std::string_view input);
void server_session(std::string_view input);
void simple_clients(std::string_view input);
void sites(std::string_view input);
void spf(std::string_view input);
void staple(std::string_view input);
void stuffing(std::string_view input);
void submission(std::string_view input);
void submitted_header(std::string_view input);
void table_list(std::string_view input);
void takeover(std::string_view input);
void tls_records(std::string_view input);
void trace_target(std::string_view input);
void user_file(std::string_view input);
void w3c(std::string_view input);
void when(std::string_view input);
void words(std::string_view input);
void xtext(std::string_view input);

}  // namespace fuzz
