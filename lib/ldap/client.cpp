#include "ldap/client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <ldap.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.hpp"
#include "config/directory.hpp"

namespace mansio::ldap {
namespace {

constexpr const char* system_authorities = "/etc/ssl/certs/ca-certificates.crt";
constexpr std::size_t longest_text = 300;            // of what a directory says, in our words

timeval time_of(Duration duration) {
  timeval out{};
  out.tv_sec = static_cast<time_t>(duration.count() / 1000);
  out.tv_usec = static_cast<suseconds_t>(duration.count() % 1000 * 1000);
  return out;
}

// libldap takes authorities as a file alone; ours are bytes that somebody else could read for us.
Result<UniqueFd> as_file(const std::string& bytes) {
  UniqueFd fd(::memfd_create("mansio-ldap-authorities", MFD_CLOEXEC));
  if (!fd) return fail_errno("memfd_create");
  for (std::size_t at = 0; at < bytes.size();) {
    ssize_t n = ::write(fd.get(), bytes.data() + at, bytes.size() - at);
    if (n < 0) return fail_errno("write authorities");
    at += static_cast<std::size_t>(n);
  }
  return fd;
}

std::vector<std::string> values_of_attribute(LDAP* handle, LDAPMessage* message, const char* attribute) {
  std::vector<std::string> out;
  berval** values = ldap_get_values_len(handle, message, attribute);
  if (values == nullptr) return out;
  for (std::size_t i = 0; values[i] != nullptr && out.size() <= most_values; ++i) out.emplace_back(values[i]->bv_val, values[i]->bv_len);
  ldap_value_free_len(values);
  return out;
}

}  // namespace

void prepare_library() {
  ::setenv("LDAPNOINIT", "1", 1);
  int version = 0;
  ldap_get_option(nullptr, LDAP_OPT_PROTOCOL_VERSION, &version);      // sets the library up
}

// ---- Lifeline

struct Lifeline::Callback {
  ldap_conncb hook{};
};

Lifeline::Lifeline() : callback_(std::make_unique<Callback>()) {
  callback_->hook.lc_arg = this;
  callback_->hook.lc_add = [](LDAP*, Sockbuf* buffer, LDAPURLDesc*, sockaddr*, ldap_conncb* hook) {
    int fd = -1;
    if (ber_sockbuf_ctrl(buffer, LBER_SB_OPT_GET_FD, &fd) > 0) static_cast<Lifeline*>(hook->lc_arg)->attach(fd);
    return 0;
  };
  callback_->hook.lc_del = [](LDAP*, Sockbuf*, ldap_conncb*) {};
}

Lifeline::~Lifeline() = default;

void Lifeline::attach(int fd) {
  std::lock_guard lock(mutex_);
  fd_.reset(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  since_ = std::chrono::steady_clock::now();
}

void Lifeline::release() {
  std::lock_guard lock(mutex_);
  fd_.reset();
}

bool Lifeline::attached() {
  std::lock_guard lock(mutex_);
  return static_cast<bool>(fd_);
}

void Lifeline::cut_if_older(Duration age) {
  std::lock_guard lock(mutex_);
  if (!fd_ || std::chrono::steady_clock::now() - since_ <= age) return;
  cut_ = true;
  ::shutdown(fd_.get(), SHUT_RDWR);
}

bool Lifeline::was_cut() {
  std::lock_guard lock(mutex_);
  return cut_;
}

void Client::Unbind::operator()(struct ldap* handle) const noexcept { ldap_unbind_ext(handle, nullptr, nullptr); }

Error Client::error(int code, std::string_view doing) const {
  std::string text = fmt::format("{}: {}", doing, ldap_err2string(code));
  char* said = nullptr;
  if (ldap_get_option(handle_.get(), LDAP_OPT_DIAGNOSTIC_MESSAGE, &said) == LDAP_OPT_SUCCESS && said != nullptr) {
    std::string_view diagnosis = said;
    bool words = !diagnosis.empty() && diagnosis.find("unknown error") == std::string_view::npos;
    if (words) text += fmt::format(" ({})", escape(diagnosis, longest_text));
    ldap_memfree(said);
  }
  return Error(code == LDAP_TIMEOUT ? Fault::timed_out : Fault::closed, text);
}

// GnuTLS's reasons don't reach us through libldap.
Error Client::tls_error(int code, std::string_view doing) const {
  Error plain = error(code, doing);
  bool tls = (code == LDAP_SERVER_DOWN || code == LDAP_CONNECT_ERROR) && lifeline_->attached();
  if (!tls) return plain;
  if (lifeline_->was_cut()) return Error(Fault::timed_out, "no answer while TLS was to begin");
  constexpr const char* hint = "there is a connection, but no TLS: is the certificate valid, for the name of this server, and by one of the authorities?";
  return Error(Fault::closed, fmt::format("{}: {}", plain.text(), hint));
}

// ---- the beginning, on a thread

Result<Client> Client::open(const config::Ldap& settings, const Access& access, const std::string& uri, std::shared_ptr<Lifeline> lifeline) {
  auto server = config::parse_ldap_server(uri);
  if (!server) return std::unexpected(server.error());
  LDAP* handle = nullptr;
  int code = ldap_initialize(&handle, server->uri.c_str());
  if (code != LDAP_SUCCESS) return fail(Fault::invalid, ldap_err2string(code));
  Client client(handle, settings.timeout, std::move(lifeline));
  auto set = client.set_up(settings, access);
  if (!set) return std::unexpected(set.error());
  if (settings.tls == config::LdapTls::starttls) {
    code = ldap_start_tls_s(handle, nullptr, nullptr);
    if (code != LDAP_SUCCESS) return std::unexpected(client.tls_error(code, "STARTTLS"));
  }
  auto bound = client.bind(settings, access, server->encrypted);
  client.lifeline_->release();
  if (!bound) return std::unexpected(bound.error());
  // From here nothing may wait.
  Sockbuf* buffer = nullptr;
  ber_len_t largest = largest_answer;
  bool good = ldap_get_option(handle, LDAP_OPT_SOCKBUF, &buffer) == LDAP_OPT_SUCCESS && buffer != nullptr &&
              ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &largest) > 0;
  int flags = ::fcntl(client.descriptor(), F_GETFL);
  good = good && flags >= 0 && ::fcntl(client.descriptor(), F_SETFL, flags | O_NONBLOCK) == 0;
  if (!good) return fail(Fault::closed, "the connection could not be set up");
  return client;
}

Result<> Client::set_up(const config::Ldap& settings, const Access& access) {
  LDAP* handle = handle_.get();
  int version = LDAP_VERSION3;
  timeval timeout = time_of(timeout_);
  int code = ldap_set_option(handle, LDAP_OPT_PROTOCOL_VERSION, &version);
  // A referral is followed by nobody: it would be a server that the configuration doesn't name, asked while the loop waits.
  if (code == LDAP_OPT_SUCCESS) code = ldap_set_option(handle, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
  if (code == LDAP_OPT_SUCCESS) code = ldap_set_option(handle, LDAP_OPT_NETWORK_TIMEOUT, &timeout);
  if (code == LDAP_OPT_SUCCESS) code = ldap_set_option(handle, LDAP_OPT_TIMEOUT, &timeout);
  if (code == LDAP_OPT_SUCCESS) code = ldap_set_option(handle, LDAP_OPT_CONNECT_CB, &lifeline_->callback_->hook);
  if (code != LDAP_OPT_SUCCESS) return fail(Fault::invalid, ldap_err2string(code));
  bool encrypted = settings.tls == config::LdapTls::starttls ||
                   std::ranges::any_of(settings.servers, [](const std::string& s) { return istarts_with(s, "ldaps://"); });
  if (encrypted) return set_tls(access);
  return {};
}

// RFC 4513 §3.1.3: the certificate has to be valid, and the server's.
Result<> Client::set_tls(const Access& access) {
  LDAP* handle = handle_.get();
  UniqueFd file;
  std::string path = system_authorities;
  if (!access.authorities.empty()) {
    auto made = as_file(access.authorities);
    if (!made) return std::unexpected(made.error());
    file = std::move(*made);
    path = fmt::format("/proc/self/fd/{}", file.get());
  }
  int demand = LDAP_OPT_X_TLS_DEMAND, for_client = 0, least = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
  int code = ldap_set_option(handle, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand);
  if (code == LDAP_OPT_SUCCESS) code = ldap_set_option(handle, LDAP_OPT_X_TLS_PROTOCOL_MIN, &least);
  if (code == LDAP_OPT_SUCCESS) code = ldap_set_option(handle, LDAP_OPT_X_TLS_CACERTFILE, path.c_str());
  if (code == LDAP_OPT_SUCCESS) code = ldap_set_option(handle, LDAP_OPT_X_TLS_NEWCTX, &for_client);
  if (code != LDAP_OPT_SUCCESS) return fail(Fault::invalid, "TLS: the certificates of the authorities can't be used");
  return {};
}

// RFC 4513 §5.1.2: a name with an empty password would be nobody's bind, and succeed.
Result<> Client::bind(const config::Ldap& settings, const Access& access, bool encrypted) {
  if (!settings.bind_dn.empty() && access.password.empty()) return fail(Fault::invalid, "the file of the password is empty");
  berval password{};
  password.bv_val = const_cast<char*>(access.password.view().data());
  password.bv_len = static_cast<ber_len_t>(access.password.view().size());
  int code = ldap_sasl_bind_s(handle_.get(), settings.bind_dn.c_str(), LDAP_SASL_SIMPLE, &password, nullptr, nullptr, nullptr);
  if (code == LDAP_SUCCESS) return {};
  return std::unexpected(encrypted ? tls_error(code, "bind") : error(code, "bind"));
}

// ---- searches

int Client::descriptor() const {
  int fd = -1;
  ldap_get_option(handle_.get(), LDAP_OPT_DESC, &fd);
  return fd;
}

Result<int> Client::send(const Search& search) {
  std::vector<char*> attributes;
  for (const std::string& attribute : search.attributes) attributes.push_back(const_cast<char*>(attribute.c_str()));
  static char nothing[] = LDAP_NO_ATTRS;
  if (attributes.empty()) attributes.push_back(nothing);
  attributes.push_back(nullptr);
  constexpr int scopes[] = {LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL, LDAP_SCOPE_SUBTREE};
  timeval timeout = time_of(std::max(timeout_, Duration(1000)));     // the protocol knows whole seconds, and 0 is for ever
  constexpr int enough = 2;
  int number = 0;
  int scope = scopes[static_cast<std::size_t>(search.scope)];
  int code = ldap_search_ext(handle_.get(), search.base.c_str(), scope, search.filter.c_str(), attributes.data(), 0, nullptr, nullptr, &timeout,
                             enough, &number);
  if (code == LDAP_SUCCESS) return number;
  if (code == LDAP_BUSY) return fail(Fault::busy, "the connection takes no more at the moment");
  if (code == LDAP_FILTER_ERROR || code == LDAP_ENCODING_ERROR || code == LDAP_PARAM_ERROR) return fail(Fault::invalid, error(code, "search").text());
  return std::unexpected(error(code, "search"));
}

bool Client::data_ready() const {
  Sockbuf* buffer = nullptr;
  if (ldap_get_option(handle_.get(), LDAP_OPT_SOCKBUF, &buffer) != LDAP_OPT_SUCCESS || buffer == nullptr) return false;
  return ber_sockbuf_ctrl(buffer, LBER_SB_OPT_DATA_READY, nullptr) > 0;
}

// libldap gives up for now after one message that isn't a whole answer, so it is asked until TLS holds nothing back; the
// socket tells of the rest.
Result<> Client::receive(std::vector<Answer>& out) {
  for (std::size_t messages = 0; messages < most_messages; ++messages) {
    timeval now{};
    LDAPMessage* message = nullptr;
    int kind = ldap_result(handle_.get(), LDAP_RES_ANY, LDAP_MSG_ONE, &now, &message);
    if (kind == 0 && data_ready()) continue;
    if (kind == 0) return {};
    if (kind < 0) {
      int code = LDAP_SERVER_DOWN;
      ldap_get_option(handle_.get(), LDAP_OPT_RESULT_CODE, &code);
      return fail(Fault::closed, code == LDAP_SERVER_DOWN ? "the server closed the connection" : error(code, "receive").text());
    }
    std::unique_ptr<LDAPMessage, int (*)(LDAPMessage*)> owned(message, ldap_msgfree);
    int number = ldap_msgid(message);
    if (kind == LDAP_RES_SEARCH_ENTRY) take_entry(number, message);
    else if (kind == LDAP_RES_SEARCH_REFERENCE) partial_[number].referred = true;
    else if (kind == LDAP_RES_SEARCH_RESULT) out.emplace_back(number, conclude(number, message));
  }
  return fail(Fault::closed, "the server sends more than anybody asked for");
}

void Client::take_entry(int number, LDAPMessage* message) {
  Found& found = partial_[number];
  if (found.entries.size() >= 2) return;
  LDAP* handle = handle_.get();
  Entry entry;
  if (char* name = ldap_get_dn(handle, message); name != nullptr) {
    entry.name = name;
    ldap_memfree(name);
  }
  BerElement* place = nullptr;
  for (char* attribute = ldap_first_attribute(handle, message, &place); attribute != nullptr; attribute = ldap_next_attribute(handle, message, place)) {
    entry.attributes.emplace_back(attribute, values_of_attribute(handle, message, attribute));
    ldap_memfree(attribute);
  }
  if (place != nullptr) ber_free(place, 0);
  found.entries.push_back(std::move(entry));
}

// RFC 4511 §4.1.9. What isn't a plain answer is not known: size and time limits, referrals, rights that are missing.
Result<Found> Client::conclude(int number, LDAPMessage* message) {
  Found found = std::move(partial_[number]);
  partial_.erase(number);
  int code = LDAP_OTHER;
  char* said = nullptr;
  int parsed = ldap_parse_result(handle_.get(), message, &code, nullptr, &said, nullptr, nullptr, 0);
  std::string diagnosis = said != nullptr ? escape(said, longest_text) : std::string();
  if (said != nullptr) ldap_memfree(said);
  if (parsed != LDAP_SUCCESS) return fail(Fault::invalid, "an answer that can't be read");
  found.base_missing = code == LDAP_NO_SUCH_OBJECT;
  if (code == LDAP_SUCCESS || found.base_missing) return found;
  if (code == LDAP_SIZELIMIT_EXCEEDED && found.entries.size() >= 2) return found;    // who expects one has seen enough
  if (code == LDAP_REFERRAL) return fail(Fault::busy, "the directory refers to another one, which the configuration would have to name");
  return fail(Fault::busy, fmt::format("search: {}{}", ldap_err2string(code), diagnosis.empty() ? "" : " (" + diagnosis + ")"));
}

}  // namespace mansio::ldap
