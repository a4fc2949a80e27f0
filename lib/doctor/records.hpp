// The DNS records that this machine and its domains need, as lines of a zone file, beside what is published.
#pragma once
#include <string>
#include <vector>

#include "doctor/subject.hpp"

namespace mansio::doctor {

enum class Published : std::uint8_t { there, missing, differs, unknown, suggestion };
std::string_view word_of(Published published);

struct Record {
  Record(std::string o, std::string t, std::string d) : owner(std::move(o)), type(std::move(t)), data(std::move(d)) {}
  std::string owner;                 // with its dot at the end
  std::string type, data;            // as a zone file has it
  Published published = Published::missing;
  std::vector<std::string> seen;     // what is there instead
  std::string comment;               // where to publish it, what for

  std::string line() const;          // "example.org. IN MX 10 mail.example.org."
};

// In the order to publish them. subject.addresses must be filled.
event::Task<std::vector<Record>> find_records(Names& names, const Subject& subject);

// A text as TXT data: in quotes, in pieces of 255 octets (RFC 1035 §3.3.14).
std::string txt_data(std::string_view text);
// An SPF record that also lets `addresses` through: `record` with what is missing put first, or a new one for "".
std::string spf_with(std::string_view record, const std::vector<std::string>& addresses);

}  // namespace mansio::doctor
