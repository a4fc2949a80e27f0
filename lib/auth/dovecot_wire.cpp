#include "auth/dovecot_wire.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace mansio::auth {
namespace {

constexpr char escape_mark = '\x01';
constexpr std::string_view escaped_bytes = std::string_view("\0\x01\t\r\n", 5), escape_letters = "01trn";

std::unexpected<Error> broken(const char* what) { return fail(Fault::invalid, fmt::format("Dovecot's auth socket: {}", what)); }

Result<std::uint32_t> read_number(const std::vector<std::string_view>& words) {
  auto number = words.size() < 2 ? std::nullopt : parse_number(words[1]);
  if (!number || *number > 0xffffffff) return broken("a line without its number");
  return static_cast<std::uint32_t>(*number);
}

// FAIL's parameter, as older and as newer versions have it.
bool is_temporary(std::string_view word) { return word == "temp" || word == "code=temp_fail"; }

// OK's parameters that leave it to whoever asks to let nobody in: the user is barred, or only another server knows the
// password.
bool keeps_out(std::string_view word) {
  auto name = word.substr(0, word.find('='));
  return name == "nologin" || name == "proxy" || name == "proxy_maybe";
}

}  // namespace

std::string escape_dovecot(std::string_view text) {
  std::string out;
  for (char c : text) {
    auto at = escaped_bytes.find(c);
    if (at == std::string_view::npos) out += c;
    else (out += escape_mark) += escape_letters[at];
  }
  return out;
}

std::string unescape_dovecot(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != escape_mark || ++i == text.size()) {
      if (i < text.size()) out += text[i];
      continue;
    }
    auto at = escape_letters.find(text[i] == 'l' ? 'n' : text[i]);   // one of their documents writes LF as "l"
    out += at == std::string_view::npos ? text[i] : escaped_bytes[at];
  }
  return out;
}

Result<DovecotLine> parse_dovecot_line(std::string_view line) {
  using Kind = DovecotLine::Kind;
  struct Row { std::string_view word; Kind kind; bool numbered; };
  static constexpr Row rows[] = {
      {"VERSION", Kind::version, true}, {"MECH", Kind::mechanism, false}, {"DONE", Kind::done, false},
      {"OK", Kind::accepted, true},     {"FAIL", Kind::denied, true},     {"CONT", Kind::challenge, true},
  };
  if (line.size() > dovecot_line_limit) return broken("a line that is too long");
  auto words = split(line, '\t');
  const auto* row = std::ranges::find(rows, words[0], &Row::word);
  DovecotLine out;
  if (row == std::end(rows)) return out;   // SPID, CUID, COOKIE, and what later versions add
  out.kind = row->kind;
  if (row->numbered) {
    auto number = read_number(words);
    if (!number) return std::unexpected(number.error());
    out.id = *number;
  }
  if (out.kind == Kind::mechanism) {
    if (words.size() < 2 || words[1].empty() || words[1].size() > 64) return broken("MECH without a name");
    out.name = unescape_dovecot(words[1]);
    return out;
  }
  bool accepted = out.kind == Kind::accepted;
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (accepted && words[i].starts_with("user=")) out.name = unescape_dovecot(words[i].substr(5));
    if (accepted && keeps_out(words[i])) out.kind = Kind::denied;
    if (!accepted && is_temporary(words[i])) out.temporary = true;
  }
  if (out.name.size() > sasl::user_max || has_control(out.name) || !is_utf8(out.name)) return broken("a user whose name can't be one");
  return out;
}

crypto::Secret make_dovecot_request(std::uint32_t id, std::string_view mechanism, std::string_view service,
                                    const Facts& facts, std::string_view message) {
  std::string line = fmt::format("AUTH\t{}\t{}\tservice={}", id, mechanism, escape_dovecot(service));
  if (facts.encrypted) line += "\tsecured";
  if (!facts.local_address.empty()) line += fmt::format("\tlip={}\tlport={}", escape_dovecot(facts.local_address), facts.local_port);
  if (!facts.client_address.empty()) line += fmt::format("\trip={}\trport={}", escape_dovecot(facts.client_address), facts.client_port);
  line += "\tresp=";   // the last one, by the protocol
  std::string encoded = base64_encode(message);
  line.reserve(line.size() + encoded.size() + 1);   // no part of it stays behind in a smaller piece of memory
  line += encoded;
  line += '\n';
  crypto::Secret out(line);
  crypto::wipe(encoded);
  crypto::wipe(line);
  return out;
}

}  // namespace mansio::auth
