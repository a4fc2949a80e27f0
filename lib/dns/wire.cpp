#include "dns/wire.hpp"

#include <arpa/inet.h>
#include <ldns/ldns.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/text.hpp"

namespace mansio::dns {
namespace {

struct FreePacket {
  void operator()(ldns_pkt* packet) const noexcept { ldns_pkt_free(packet); }
};
using Packet = std::unique_ptr<ldns_pkt, FreePacket>;

constexpr std::size_t header_size = 12;
enum class Code : unsigned { no_error = 0, format_error = 1, nxdomain = 3, not_implemented = 4, bad_version = 16 };

unsigned number16(std::string_view octets, std::size_t at) {
  auto high = static_cast<unsigned char>(octets[at]), low = static_cast<unsigned char>(octets[at + 1]);
  return static_cast<unsigned>(high << 8 | low);
}

// ---- fields of records. ldns gives what stood on the wire: nothing of it is used before its size is known.

std::string_view octets_of(const ldns_rdf* field) {
  if (field == nullptr || ldns_rdf_data(field) == nullptr) return {};
  return {reinterpret_cast<const char*>(ldns_rdf_data(field)), ldns_rdf_size(field)};
}

// A domain name in wire form and lower case (the length octets are below 'A'); "" when it is none.
std::string name_of(const ldns_rdf* field) {
  if (field == nullptr || ldns_rdf_get_type(field) != LDNS_RDF_TYPE_DNAME) return {};
  return to_lower(octets_of(field));
}

const ldns_rdf* field_of(const ldns_rr* record, std::size_t index) {
  return index < ldns_rr_rd_count(record) ? ldns_rr_rdf(record, index) : nullptr;
}

std::optional<unsigned> byte_of(const ldns_rr* record, std::size_t index) {
  std::string_view octets = octets_of(field_of(record, index));
  if (octets.size() != 1) return std::nullopt;
  return static_cast<unsigned char>(octets[0]);
}

// RFC 2181 §8: a time to live with its highest bit set counts as 0.
Duration ttl_of(const ldns_rr* record) {
  std::uint32_t seconds = ldns_rr_ttl(record);
  return std::chrono::seconds(seconds > 0x7fffffffU ? 0 : seconds);
}

// The name of a host: letters, digits, '-' and '_'. "" is the root.
std::optional<std::string> host_of(const ldns_rdf* field) {
  std::string wire = name_of(field);
  if (wire == std::string(1, '\0')) return "";
  auto text = to_text(wire);
  auto good = [](char c) { return is_alnum(c) || c == '-' || c == '_' || c == '.'; };
  if (!text || !std::all_of(text->begin(), text->end(), good)) return std::nullopt;
  return text;
}

// ---- records into an Answer; a record that isn't what its type says is left out

void take_mx(const ldns_rr* record, Answer& answer) {
  std::string_view preference = octets_of(field_of(record, 0));
  auto host = host_of(field_of(record, 1));
  if (preference.size() != 2 || !host) return;
  answer.mx.emplace_back(static_cast<std::uint16_t>(number16(preference, 0)), std::move(*host));
}

void take_address(const ldns_rr* record, Answer& answer, int family, std::size_t size) {
  std::string_view octets = octets_of(field_of(record, 0));
  char text[INET6_ADDRSTRLEN];
  if (octets.size() != size || inet_ntop(family, octets.data(), text, sizeof text) == nullptr) return;
  answer.addresses.emplace_back(text);
}

void take_name(const ldns_rr* record, Answer& answer) {
  auto host = host_of(field_of(record, 0));
  if (host && !host->empty()) answer.names.push_back(std::move(*host));
}

// Each string begins with its length.
void take_text(const ldns_rr* record, Answer& answer) {
  std::string all;
  for (std::size_t i = 0; i < ldns_rr_rd_count(record); ++i) {
    std::string_view string = octets_of(field_of(record, i));
    if (string.empty() || string.size() != static_cast<unsigned char>(string[0]) + 1U) return;
    all += string.substr(1);
  }
  if (ldns_rr_rd_count(record) > 0) answer.texts.push_back(std::move(all));
}

void take_tlsa(const ldns_rr* record, Answer& answer) {
  auto usage = byte_of(record, 0), selector = byte_of(record, 1), matching = byte_of(record, 2);
  std::string_view data = octets_of(field_of(record, 3));
  if (!usage || !selector || !matching || data.empty()) return;
  Tlsa out;
  out.usage = static_cast<std::uint8_t>(*usage);
  out.selector = static_cast<std::uint8_t>(*selector);
  out.matching = static_cast<std::uint8_t>(*matching);
  out.data = data;
  answer.tlsa.push_back(std::move(out));
}

void take(const ldns_rr* record, Type type, Answer& answer) {
  switch (type) {
    case Type::mx: return take_mx(record, answer);
    case Type::a: return take_address(record, answer, AF_INET, 4);
    case Type::aaaa: return take_address(record, answer, AF_INET6, 16);
    case Type::ptr:
    case Type::cname: return take_name(record, answer);
    case Type::txt: return take_text(record, answer);
    case Type::tlsa: return take_tlsa(record, answer);
  }
}

// ---- the sections

bool is_record(const ldns_rr* record, std::uint16_t type) {
  return ldns_rr_get_class(record) == LDNS_RR_CLASS_IN && ldns_rr_get_type(record) == static_cast<ldns_rr_type>(type);
}

void shorten(Duration& ttl, Duration other) { ttl = std::min(ttl, other); }

// Takes the records of `name`; true when there was one, even an unusable one. Records of other names are passed over:
// nobody asked for them (RFC 5452 §6).
bool take_records(const ldns_rr_list* section, const std::string& name, Type type, Answer& answer) {
  bool any = false;
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
    const ldns_rr* record = ldns_rr_list_rr(section, i);
    if (!is_record(record, static_cast<std::uint16_t>(type)) || name_of(ldns_rr_owner(record)) != name) continue;
    any = true;
    shorten(answer.ttl, ttl_of(record));
    take(record, type, answer);
  }
  return any;
}

const ldns_rr* alias_of(const ldns_rr_list* section, const std::string& name) {
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
    const ldns_rr* record = ldns_rr_list_rr(section, i);
    if (is_record(record, LDNS_RR_TYPE_CNAME) && name_of(ldns_rr_owner(record)) == name) return record;
  }
  return nullptr;
}

bool is_within(std::string_view name, std::string_view zone) {
  while (name.size() > zone.size()) name.remove_prefix(static_cast<unsigned char>(name[0]) + 1U);
  return name == zone;
}

// What the authority section says of a name without records: how long that holds, by the SOA (RFC 2308 §5), and whether
// there are name servers of somebody else instead (a referral).
struct Authority {
  std::optional<Duration> negative_ttl;
  bool name_servers = false;
};

Authority read_authority(const ldns_rr_list* section, const std::string& name) {
  Authority out;
  for (std::size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
    const ldns_rr* record = ldns_rr_list_rr(section, i);
    std::string owner = name_of(ldns_rr_owner(record));
    if (owner.empty() || !is_within(name, owner)) continue;
    if (is_record(record, LDNS_RR_TYPE_NS)) out.name_servers = true;
    std::string_view minimum = octets_of(field_of(record, 6));
    if (!is_record(record, LDNS_RR_TYPE_SOA) || minimum.size() != 4) continue;
    Duration ttl = std::chrono::seconds(std::min(number16(minimum, 0), 0x7fffU) << 16 | number16(minimum, 2));
    shorten(ttl, ttl_of(record));
    out.negative_ttl = ttl;
  }
  return out;
}

// ---- judging

// RFC 2308 §2.2: no records with NOERROR is "no data" when an SOA says so (types 1 and 2), or when there is neither SOA
// nor NS (type 3); NS without SOA is a referral, which proves nothing. §2.1 has name errors without SOA as well. An
// answer without SOA from a server that is neither authoritative nor recursive (RA) proves nothing either: it just
// doesn't know.
void judge_absence(const ldns_pkt* packet, const std::string& name, Reply& reply) {
  using Verdict = Reply::Verdict;
  bool nxdomain = ldns_pkt_get_rcode(packet) == LDNS_RCODE_NXDOMAIN;
  auto authority = read_authority(ldns_pkt_authority(packet), name);
  bool knows = authority.negative_ttl.has_value() ||
               ((nxdomain || !authority.name_servers) && (ldns_pkt_aa(packet) || ldns_pkt_ra(packet)));
  reply.next = name;
  if (!nxdomain && !authority.negative_ttl && reply.links > 0) {
    reply.verdict = Verdict::incomplete;   // the server followed the CNAMEs only so far
  } else if (!knows) {
    reply.verdict = Verdict::server_failed;
  } else {
    reply.verdict = Verdict::answered;
    reply.answer.outcome = nxdomain ? Outcome::nxdomain : Outcome::no_data;
    shorten(reply.answer.ttl, authority.negative_ttl.value_or(Duration(0)));
  }
}

// Follows the CNAMEs of the answer section from the question to its records. NXDOMAIN is said of the last name of the
// chain (RFC 6604 §2); with records of the type asked for it contradicts itself.
Reply judge(const ldns_pkt* packet, const Question& question, unsigned links_before) {
  using Verdict = Reply::Verdict;
  const ldns_rr_list* section = ldns_pkt_answer(packet);
  Reply reply;
  reply.answer.secure = ldns_pkt_ad(packet);
  reply.answer.ttl = Duration::max();
  std::string name = question.name;
  while (!take_records(section, name, question.type, reply.answer)) {
    const ldns_rr* alias = alias_of(section, name);
    if (alias == nullptr) {
      reply.answer.name = to_text(name).value_or("");
      judge_absence(packet, name, reply);
      return reply;
    }
    name = name_of(field_of(alias, 0));
    shorten(reply.answer.ttl, ttl_of(alias));
    reply.verdict = Verdict::looped;   // a chain in a circle is longer than any bound
    if (links_before + ++reply.links > max_links) return reply;
    reply.verdict = Verdict::server_failed;   // a name that can't be asked for
    if (!to_text(name) || name.size() == 1) return reply;
  }
  reply.answer.name = to_text(name).value_or("");
  reply.answer.outcome = Outcome::found;
  bool contradiction = ldns_pkt_get_rcode(packet) == LDNS_RCODE_NXDOMAIN;
  reply.verdict = contradiction ? Verdict::server_failed : Verdict::answered;
  return reply;
}

// Is it an answer to this question? RFC 5452 §9: id, name, type, class. A server that failed may leave the question
// out.
bool is_ours(std::string_view octets, std::uint16_t id, const Question& question) {
  if (octets.size() < header_size || number16(octets, 0) != id) return false;
  unsigned flags = number16(octets, 2), questions = number16(octets, 4);
  bool response = (flags & 0x8000) != 0, standard_query = (flags & 0x7800) == 0;
  if (!response || !standard_query) return false;
  auto code = static_cast<Code>(flags & 15);
  if (questions == 0) return code != Code::no_error && code != Code::nxdomain;
  std::size_t size = question.name.size();
  if (questions != 1 || octets.size() < header_size + size + 4) return false;
  return iequals(octets.substr(header_size, size), question.name) &&
         number16(octets, header_size + size) == static_cast<unsigned>(question.type) &&
         number16(octets, header_size + size + 2) == 1;
}

}  // namespace

std::optional<std::string> to_wire(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string wire;
  for (std::string_view label : split(name, '.')) {
    auto good = [](char c) { return c > ' ' && c <= '~'; };
    if (label.empty() || label.size() > 63 || !std::all_of(label.begin(), label.end(), good)) return std::nullopt;
    wire += static_cast<char>(label.size());
    wire += to_lower(label);
  }
  wire += '\0';
  if (wire.size() > 255) return std::nullopt;
  return wire;
}

std::optional<std::string> to_text(std::string_view wire) {
  if (wire.size() > 255) return std::nullopt;
  std::string text;
  while (!wire.empty() && wire[0] != '\0') {
    std::size_t size = static_cast<unsigned char>(wire[0]);
    if (size > 63 || wire.size() < size + 2) return std::nullopt;
    std::string_view label = wire.substr(1, size);
    auto good = [](char c) { return c > ' ' && c <= '~' && c != '.'; };
    if (!std::all_of(label.begin(), label.end(), good)) return std::nullopt;
    if (!text.empty()) text += '.';
    text += label;
    wire.remove_prefix(size + 1);
  }
  if (wire.size() != 1) return std::nullopt;
  return text;
}

Result<std::string> make_query(std::uint16_t id, const Question& question, bool edns) {
  ldns_rdf* name = ldns_dname_new_frm_data(static_cast<std::uint16_t>(question.name.size()), question.name.data());
  if (name == nullptr) return fail(Fault::full, "no memory for a DNS question");
  auto type = static_cast<ldns_rr_type>(question.type);
  Packet packet(ldns_pkt_query_new(name, type, LDNS_RR_CLASS_IN, LDNS_RD | LDNS_AD));
  if (!packet) {
    ldns_rdf_deep_free(name);   // from here on the packet owns it
    return fail(Fault::full, "no memory for a DNS question");
  }
  ldns_pkt_set_id(packet.get(), id);
  if (edns) ldns_pkt_set_edns_udp_size(packet.get(), 1232);
  std::uint8_t* octets = nullptr;
  std::size_t size = 0;
  if (ldns_pkt2wire(&octets, packet.get(), &size) != LDNS_STATUS_OK) {
    return fail(Fault::invalid, "DNS question can't be written");
  }
  std::string out(reinterpret_cast<const char*>(octets), size);
  std::free(octets);
  return out;
}

Reply parse_answer(std::string_view octets, std::uint16_t id, const Question& question, unsigned links) {
  using Verdict = Reply::Verdict;
  Reply reply;
  if (!is_ours(octets, id, question)) return reply;
  auto code = static_cast<Code>(number16(octets, 2) & 15);
  bool truncated = (number16(octets, 2) & 0x200) != 0;
  bool not_understood = code == Code::format_error || code == Code::not_implemented;
  reply.verdict = not_understood ? Verdict::format_error : Verdict::server_failed;
  if (code != Code::no_error && code != Code::nxdomain) return reply;
  if (truncated) {   // perhaps in the middle of a record: nothing of it is read (RFC 2181 §9)
    reply.verdict = Verdict::truncated;
    return reply;
  }
  ldns_pkt* read = nullptr;
  auto* begin = reinterpret_cast<const std::uint8_t*>(octets.data());
  if (ldns_wire2pkt(&read, begin, octets.size()) != LDNS_STATUS_OK) return reply;
  Packet packet(read);
  // RFC 6891 §6.1.3: with EDNS0 the code has eight more bits.
  unsigned upper = ldns_pkt_edns_extended_rcode(packet.get());
  unsigned extended = upper << 4 | static_cast<unsigned>(code);
  if (static_cast<Code>(extended) == Code::bad_version) reply.verdict = Verdict::format_error;
  if (extended > 15) return reply;
  return judge(packet.get(), question, links);
}

}  // namespace mansio::dns
