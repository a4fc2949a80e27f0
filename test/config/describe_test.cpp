#include "config/describe.hpp"

#include <catch2/catch.hpp>

#include "config/reader.hpp"

namespace mansio::config {

TEST_CASE("the effective configuration is text that gives the same configuration") {
  for (const std::string text : {"version = 1;", R"(version = 1; host_name = "h.example"; run_as = ""; aliases = "a\\b\"c"; recipient_delimiter = "";
      listeners = ( { port = 0; }, { address = "unix:/l"; role = "lmtp"; auth = false; } ); tls = { certificate = "c"; key = "k"; };
      domains = { local = [ "*.a.example", "file:x" ]; relay_to = "b.example"; alias = ( { from = "c.example"; to = "d.example"; } ); };
      relay_from = [ ]; limits = { message_size = 1234567; hops = 3; data_timeout = "1h1m1s"; }; smtp = { bare_newline = "normalize"; };
      transports = { a = { kind = "maildir"; path = "~/M"; }; b = { kind = "mbox"; path = "m/{user}"; }; d = { kind = "drop"; directory = "d"; };
        p = { kind = "pipe"; command = [ "/bin/x", "{detail}" ]; timeout = "1s"; }; s = { kind = "smtp"; hosts = [ "h:26" ]; tls = "none"; };
        l = { kind = "lmtp"; hosts = [ "unix:/x" ]; }; };
      routes = ( { name = "1"; domains = [ "@local" ]; users = [ "x", "y" ]; transport = "a"; },
        { name = "2"; domains = [ "@relay_to" ]; users = "passwd-file:u"; transport = "b"; },
        { name = "3"; domains = [ "e.example" ]; users = "system"; transport = "p"; }, { name = "4"; domains = [ "*" ]; transport = "s"; } );
      retry = ( { domains = [ "e.example" ]; schedule = "1m until 1h, x2 up to 30m until 2d"; } );
      log = { format = "json"; journal = false; }; spool = { segment_size = "2M"; reserve = 0; }; deliver = { agents = 3; };
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
    CHECK((*second)->routes.size() == (*first)->routes.size());
  }
}

}  // namespace mansio::config
