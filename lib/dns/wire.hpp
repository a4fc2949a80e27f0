// DNS messages: a question is made, an answer is read and judged. Pure; the only part of the project that knows ldns,
// which reads the wire format and nothing else. Every record's length is checked before it is used.
// RFC 1035 §4, RFC 2308 (negative answers), RFC 6891 (EDNS0), RFC 5452 §9 (what makes an answer ours).
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "dns/answer.hpp"

namespace mansio::dns {

// A question as it stands on the wire: labels with their lengths, ended by the root, letters in lower case.
struct Question {
  Question(std::string n, Type t) : name(std::move(n)), type(t) {}
  std::string name;
  Type type;
};

// "Example.ORG" or "example.org." to wire form; nullopt for what can't be asked: an empty name or label, one over 63 or
// 255 octets (RFC 1035 §2.3.4), an octet outside of printable ASCII.
std::optional<std::string> to_wire(std::string_view name);
// Back again, without the trailing dot; "" is the root. A label with a dot, or what to_wire() refuses, is nullopt.
std::optional<std::string> to_text(std::string_view wire);

// Recursion desired; AD asks for the validation's result (RFC 6840 §5.7). With EDNS0 the answer may have 1232 octets,
// which cross every link unfragmented.
Result<std::string> make_query(std::uint16_t id, const Question& question, bool edns);

struct Reply {
  enum class Verdict : std::uint8_t {
    not_ours,        // no answer, another id or question: wait on
    truncated,       // TC: ask over TCP
    format_error,    // the server doesn't understand: FORMERR, NOTIMP, BADVERS
    server_failed,   // SERVFAIL, REFUSED, a referral, records that can't be read: ask another server
    looped,          // CNAMEs that come back to themselves, or too many of them
    incomplete,      // CNAMEs up to `next`, which must be asked for
    answered,        // `answer` is found, nxdomain or no_data
  };
  Verdict verdict = Verdict::not_ours;
  Answer answer;        // ttl: as the records say, with that of each CNAME on the way; 0 when nothing says it
  std::string next;     // wire form
  unsigned links = 0;   // CNAMEs followed
};

constexpr unsigned max_links = 10;   // CNAMEs on the way to one answer; real chains have two or three

// `octets`: one message as it came. `links`: how many CNAMEs led to this question.
Reply parse_answer(std::string_view octets, std::uint16_t id, const Question& question, unsigned links = 0);

}  // namespace mansio::dns
