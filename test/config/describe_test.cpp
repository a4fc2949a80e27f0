#include "config/describe.hpp"

#include <catch2/catch.hpp>

#include "config/reader.hpp"

namespace mansio::config {

TEST_CASE("the effective configuration is text that gives the same configuration") {
  for (const std::string text : {"version = 1;", R"(version = 1; host_name = "h.example"; run_as = ""; aliases = "a\\b\"c"; recipient_delimiter = "";
      listeners = ( { port = 0; tls = "required"; tls_min_version = "1.2"; tls_ciphers = "C"; tls_cipher_suites = "T"; tls_groups = "H"; ask_certificate = true; auth = true; },
        { role = "submission"; port = 465; }, { address = "unix:/l"; role = "lmtp"; auth = false; } ); tls = { certificate = "c"; key = "k"; ocsp = "o"; certificates = ( { certificate = "c2"; key = "k2"; ocsp = "o2"; }, { certificate = "c3"; key = "k3"; } );
        min_version = "1.3"; ciphers = "A:!B"; cipher_suites = "S"; groups = "G"; authorities = "a"; resumption = false; };
      auth = { users = "pam:x"; mechanisms = [ "plain", "EXTERNAL" ]; clear_text = true; certificates = "f"; tries = 9; delay = "2s"; };
      submission = { hide_client = false; masquerade = [ "M.example" ]; senders = "file:s"; messages_per_hour = 5; recipients_per_hour = 6; };
      tls_policy = ( { domains = [ "*.p.example" ]; names = [ ".n.example" ]; }, { domains = [ "*" ]; tls = "none"; } );
      domains = { local = [ "*.a.example", "file:x" ]; relay_to = "b.example"; alias = ( { from = "c.example"; to = "d.example"; } ); };
      relay_from = [ ]; limits = { outbound_connections = 9; message_size = 1234567; hops = 3; data_timeout = "1h1m1s"; }; smtp = { bare_newline = "normalize"; };
      transports = { v = { kind = "smtp"; hosts = "h:465"; credentials = "p"; tls_min_version = "1.3"; tls_ciphers = "C"; tls_cipher_suites = "T"; tls_groups = "H";
          tls_authorities = "a"; tls_certificate = "c"; tls_key = "k"; auth_mechanisms = [ "PLAIN" ]; auth_unverified = true; };
        a = { kind = "maildir"; path = "~/M"; }; b = { kind = "mbox"; path = "m/{user}"; }; d = { kind = "drop"; directory = "d"; };
        p = { kind = "pipe"; command = [ "/bin/x", "{detail}" ]; timeout = "1s"; }; s = { kind = "smtp"; hosts = [ "h:26" ]; tls = "none"; };
        l = { kind = "lmtp"; hosts = [ "unix:/x" ]; };
        o = { kind = "smtp"; hosts = [ "mx:h", "[::1]" ]; hosts_order = "random"; fallback = "f:26"; source_address = "192.0.2.1"; source_address6 = "::1";
          helo_name = "[192.0.2.1]"; family = "ipv4"; connections = 2; messages_per_connection = 3; connection_idle = "0s"; connection_lifetime = "4s";
          recipients_per_message = 5; timeouts = { connect = "1s"; data_end = "2s"; }; }; };
      routes = ( { name = "1"; domains = [ "@local" ]; users = [ "x", "y" ]; transport = "a"; },
        { name = "2"; domains = [ "@relay_to" ]; users = "passwd-file:u"; transport = "b"; },
        { name = "3"; domains = [ "e.example" ]; users = "system"; transport = "p"; }, { name = "4"; domains = [ "*" ]; senders = [ "<>", "a@b.example" ]; transport = "s"; } );
      bounce_copy_to = "a@b.example"; bounce_templates = "t"; badmail_directory = "b"; dns = { servers = "[::1]:53"; timeout = "1s"; attempts = 1; };
      retry = ( { domains = [ "e.example" ]; schedule = "1m until 1h, x2 up to 30m until 2d"; } );
      log = { format = "json"; journal = false; }; metrics = { listen = "[::1]:9125"; }; spool = { segment_size = "2M"; reserve = 0; }; deliver = { agents = 3; };
      mail_processes = 4; system_calls = "report";
      sendmail = { extract_addresses_remove_arguments = true; }; trusted_users = "*"; delay_warning = "0s"; shutdown_grace = "1s";)"}) {
    auto first = parse({{"/e/mansio.conf", text}}, {"mail.example.org", "example.org", "/etc/aliases"});
    if (!first) for (const Problem& p : first.error()) UNSCOPED_INFO(p.message());
    REQUIRE(first);
    std::string printed = describe(**first);
    INFO(printed);
    auto second = parse({{"/other/mansio.conf", printed}}, {"not-asked.example", "", ""});
    if (!second) for (const Problem& p : second.error()) UNSCOPED_INFO(p.message());
    REQUIRE(second);
    CHECK(describe(**second) == printed);
    CHECK((*second)->aliases == (*first)->aliases);
    CHECK((*second)->limits.message_size == (*first)->limits.message_size);
    CHECK((*second)->outbound_connections == (*first)->outbound_connections);
    if ((*first)->transport("o") != nullptr) CHECK((*second)->transport("o")->timeouts.data_end == std::chrono::seconds(2));
    CHECK((*second)->routes.size() == (*first)->routes.size());
  }
}

}  // namespace mansio::config
