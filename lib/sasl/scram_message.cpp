#include "sasl/scram_message.hpp"

#include <algorithm>

#include "base/encoding.hpp"
#include "base/text.hpp"

namespace mansio::sasl {
namespace {

// A message's fields in turn: "x=value" up to the next comma.
class Fields {
 public:
  explicit Fields(std::string_view text) : rest_(text), more_(!text.empty()) {}

  // Takes off the field `name`; false: the next field is another, or there is none.
  bool take(char name, std::string_view& value) {
    if (!more_ || rest_.size() < 2 || rest_[0] != name || rest_[1] != '=') return false;
    value = advance().substr(2);
    return true;
  }
  // Optional extensions: any letter but "m" (RFC 5802 §7: attr-val).
  bool skip_extensions(std::string_view stop) {
    while (more_ && rest_.size() >= 2 && rest_[1] == '=' && is_alpha(rest_[0]) &&
           stop.find(rest_[0]) == std::string_view::npos) {
      if (rest_[0] == 'm') return false;
      advance();
    }
    return true;
  }
  std::string_view advance() {
    std::size_t end = rest_.find(',');
    std::string_view field = rest_.substr(0, end);
    more_ = end != std::string_view::npos;
    rest_ = more_ ? rest_.substr(end + 1) : std::string_view();
    return field;
  }
  bool done() const { return !more_; }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
  bool more_;
};

std::unexpected<Error> broken(const char* what) { return fail(Fault::invalid, std::string("SCRAM: ") + what); }

bool is_readable(std::string_view text) {
  return text.size() <= scram_message_max && !has_control(text) && is_utf8(text);
}

// cb-name (RFC 5802 §7).
bool is_binding_name(std::string_view text) {
  return !text.empty() && text.size() <= 64 &&
         std::ranges::all_of(text, [](char c) { return is_alnum(c) || c == '.' || c == '-'; });
}

// gs2-header: gs2-cbind-flag "," [ authzid ] ","
Result<> parse_gs2(Fields& fields, ClientFirst& out) {
  std::string_view flag = fields.advance();
  if (flag.starts_with("p=") && is_binding_name(flag.substr(2)))
    out.binding = flag.substr(2);
  else if (flag != "n" && flag != "y")
    return broken("no channel binding flag");
  out.flag = flag[0];
  if (fields.done()) return broken("a GS2 header that ends early");
  std::string_view authzid;
  if (fields.take('a', authzid)) {
    auto name = unescape_name(authzid);
    if (!name) return std::unexpected(name.error());
    out.authzid = std::move(*name);
  } else if (!fields.advance().empty()) {
    return broken("no authorization identity where there should be one");
  }
  if (fields.done()) return broken("a GS2 header that ends early");
  return {};
}

Result<std::string> decode(std::string_view field, const char* what) {
  auto bytes = base64_decode(field);
  if (!bytes || bytes->empty()) return broken(what);
  return bytes;
}

}  // namespace

bool is_nonce(std::string_view text) noexcept {
  return !text.empty() && text.size() <= nonce_max &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f && c != ','; });
}

std::string escape_name(std::string_view name) {
  std::string out;
  for (char c : name) {
    if (c == '=')
      out += "=3D";
    else if (c == ',')
      out += "=2C";
    else
      out += c;
  }
  return out;
}

Result<std::string> unescape_name(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    // RFC 5802 §5.1: the server MUST fail for a "=" with anything else behind it.
    std::string_view code = text.substr(i, 3);
    if (code == "=3D")
      out += '=';
    else if (code == "=2C")
      out += ',';
    else
      return broken("a name with a bare =");
    i += 2;
  }
  if (out.empty()) return broken("an empty name");
  return out;
}

Result<ClientFirst> parse_client_first(std::string_view text) {
  if (!is_readable(text)) return broken("too long, not UTF-8, or a control character");
  ClientFirst out;
  Fields fields(text);
  if (auto gs2 = parse_gs2(fields, out); !gs2) return std::unexpected(gs2.error());
  out.bare = fields.rest();
  out.gs2 = text.substr(0, text.size() - out.bare.size());
  std::string_view user, nonce;
  if (!fields.take('n', user)) return broken("no user name, or a mandatory extension");
  if (!fields.take('r', nonce) || !is_nonce(nonce)) return broken("no nonce");
  if (!fields.skip_extensions("") || !fields.done()) return broken("more than there should be");
  auto name = unescape_name(user);
  if (!name) return std::unexpected(name.error());
  out.user = std::move(*name);
  out.nonce = nonce;
  return out;
}

Result<ServerFirst> parse_server_first(std::string_view text) {
  if (!is_readable(text)) return broken("too long, not UTF-8, or a control character");
  Fields fields(text);
  std::string_view nonce, salt, iterations;
  if (!fields.take('r', nonce) || !is_nonce(nonce)) return broken("no nonce");
  if (!fields.take('s', salt)) return broken("no salt");
  if (!fields.take('i', iterations)) return broken("no iterations");
  if (!fields.skip_extensions("") || !fields.done()) return broken("more than there should be");
  auto bytes = decode(salt, "a salt that is not base64");
  if (!bytes) return std::unexpected(bytes.error());
  auto count = parse_number(iterations);
  if (!count || *count == 0 || *count > 0xffffffffu) return broken("iterations that are no number");
  ServerFirst out;
  out.nonce = nonce;
  out.salt = std::move(*bytes);
  out.iterations = static_cast<std::uint32_t>(*count);
  return out;
}

Result<ClientFinal> parse_client_final(std::string_view text) {
  if (!is_readable(text)) return broken("too long, not UTF-8, or a control character");
  Fields fields(text);
  std::string_view binding, nonce, proof;
  if (!fields.take('c', binding)) return broken("no channel binding");
  if (!fields.take('r', nonce) || !is_nonce(nonce)) return broken("no nonce");
  if (!fields.skip_extensions("p")) return broken("a mandatory extension");
  std::size_t before = text.size() - fields.rest().size();
  if (!fields.take('p', proof) || !fields.done()) return broken("no proof at the end");
  auto bytes = decode(binding, "a channel binding that is not base64");
  if (!bytes) return std::unexpected(bytes.error());
  auto octets = decode(proof, "a proof that is not base64");
  if (!octets) return std::unexpected(octets.error());
  ClientFinal out;
  out.binding = std::move(*bytes);
  out.nonce = nonce;
  out.proof = std::move(*octets);
  out.without_proof = text.substr(0, before - 1);
  return out;
}

Result<std::string> parse_server_final(std::string_view text) {
  if (!is_readable(text)) return broken("too long, not UTF-8, or a control character");
  Fields fields(text);
  std::string_view value;
  if (fields.take('e', value)) return fail(Fault::denied, "SCRAM: the server says " + escape(value, 100));
  if (!fields.take('v', value) || !fields.skip_extensions("") || !fields.done()) return broken("no server signature");
  return decode(value, "a server signature that is not base64");
}

std::string exclusive_or(std::string_view a, std::string_view b) {
  std::string out(a);
  for (std::size_t i = 0; i < std::min(out.size(), b.size()); ++i) out[i] = static_cast<char>(out[i] ^ b[i]);
  return out;
}

}  // namespace mansio::sasl
