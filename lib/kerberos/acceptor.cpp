#include "kerberos/acceptor.hpp"

#include <fmt/format.h>
#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>

#include <array>

#include "base/text.hpp"
#include "kerberos/keytab.hpp"
#include "kerberos/principal.hpp"

namespace mansio::kerberos {
namespace {

gss_buffer_desc view_of(std::string_view text) {
  gss_buffer_desc out{};
  out.length = text.size();
  out.value = const_cast<char*>(text.data());      // the library only reads it
  return out;
}

// The library's buffers and names are its own.
struct Buffer {
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() {
    OM_uint32 unused = 0;
    gss_release_buffer(&unused, &held);
  }
  std::string text() const { return held.length == 0 ? std::string() : std::string(static_cast<const char*>(held.value), held.length); }
  gss_buffer_desc held = GSS_C_EMPTY_BUFFER;
};

struct Name {
  Name() = default;
  Name(const Name&) = delete;
  Name& operator=(const Name&) = delete;
  ~Name() {
    OM_uint32 unused = 0;
    if (held != GSS_C_NO_NAME) gss_release_name(&unused, &held);
  }
  gss_name_t held = GSS_C_NO_NAME;
};

// In the library's words: of the mechanism where it has any, they tell more.
std::string words_of(OM_uint32 major, OM_uint32 minor) {
  OM_uint32 unused = 0, more = 0;
  Buffer words;
  bool own = minor != 0;
  gss_display_status(&unused, own ? minor : major, own ? GSS_C_MECH_CODE : GSS_C_GSS_CODE, gss_mech_krb5, &more, &words.held);
  std::string text = escape(words.text(), 300);
  return text.empty() ? fmt::format("error {:#x}", major) : text;
}

class Context final : public sasl::SecurityContext {
 public:
  ~Context() override {
    OM_uint32 unused = 0;
    if (handle != GSS_C_NO_CONTEXT) gss_delete_sec_context(&unused, &handle, GSS_C_NO_BUFFER);
  }
  bool complete() const override { return whole; }

  Result<std::string> wrap(std::string_view text) override {
    OM_uint32 minor = 0;
    gss_buffer_desc input = view_of(text);
    Buffer output;
    OM_uint32 major = gss_wrap(&minor, handle, 0, GSS_C_QOP_DEFAULT, &input, nullptr, &output.held);
    if (GSS_ERROR(major)) return fail(Fault::system, words_of(major, minor));
    return output.text();
  }

  Result<std::string> unwrap(std::string_view token) override {
    OM_uint32 minor = 0;
    gss_buffer_desc input = view_of(token);
    Buffer output;
    OM_uint32 major = gss_unwrap(&minor, handle, &input, &output.held, nullptr, nullptr);
    // RFC 2743 §1.2.3: what comes twice, late or out of order is told in bits that are no error.
    if (major != GSS_S_COMPLETE) return fail(Fault::denied, words_of(major, minor));
    return output.text();
  }

  gss_ctx_id_t handle = GSS_C_NO_CONTEXT;
  bool whole = false;
};

// Trouble of ours, not the client's. (GSS_S_NO_CRED means a mechanism that we have none for: our own was there at the start.)
bool is_ours(OM_uint32 minor) {
  switch (static_cast<krb5_error_code>(minor)) {
    case KRB5_RC_IO:
    case KRB5_RC_IO_PERM:
    case KRB5_RC_IO_IO:
    case KRB5_RC_IO_SPACE:
    case KRB5_RC_IO_UNKNOWN:
    case KRB5_RC_MALLOC:
    case KRB5_KT_IOERR:
    case EACCES:
    case ENOSPC:
    case EROFS:
    case EIO:
    case ENOMEM: return true;
    default: return false;
  }
}

class KeytabAcceptor final : public Acceptor {
 public:
  KeytabAcceptor(Keytab keytab, std::vector<std::string> realms) : keytab_(std::move(keytab)), realms_(std::move(realms)) {}
  ~KeytabAcceptor() override {
    OM_uint32 unused = 0;
    if (credential_ != GSS_C_NO_CREDENTIAL) gss_release_cred(&unused, &credential_);
  }
  Result<> acquire(const AcceptorOptions& options);
  Heard accept(const sasl::Question& question) const override;
  const std::vector<std::string>& realms() const override { return realms_; }

 private:
  Heard conclude(std::shared_ptr<Context> context, const Name& client, std::string token) const;

  Keytab keytab_;
  std::vector<std::string> realms_;
  gss_cred_id_t credential_ = GSS_C_NO_CREDENTIAL;
};

Result<> KeytabAcceptor::acquire(const AcceptorOptions& options) {
  OM_uint32 minor = 0;
  Name own;
  if (!options.principal.empty()) {
    gss_buffer_desc text = view_of(options.principal);
    OM_uint32 major = gss_import_name(&minor, &text, GSS_KRB5_NT_PRINCIPAL_NAME, &own.held);
    if (GSS_ERROR(major)) return fail(Fault::invalid, words_of(major, minor));
  }
  std::string keytab = keytab_.name(), replays = options.replays.empty() ? "none:" : "file2:" + options.replays;
  std::array<gss_key_value_element_desc, 2> elements{{{"keytab", keytab.c_str()}, {"rcache", replays.c_str()}}};
  gss_key_value_set_desc store{elements.size(), elements.data()};
  gss_OID_set_desc kerberos{1, gss_mech_krb5};
  OM_uint32 major = gss_acquire_cred_from(&minor, own.held, GSS_C_INDEFINITE, &kerberos, GSS_C_ACCEPT, &store, &credential_, nullptr, nullptr);
  if (GSS_ERROR(major)) return fail(Fault::invalid, words_of(major, minor));
  return {};
}

Acceptor::Heard KeytabAcceptor::accept(const sasl::Question& question) const {
  using Verdict = sasl::Answer::Verdict;
  auto context = std::dynamic_pointer_cast<Context>(question.context);
  if (question.kind != sasl::Question::Kind::ticket || (question.context && (!context || context->whole))) {
    return Heard(sasl::Answer(Verdict::denied), "a token out of turn");
  }
  if (!context) context = std::make_shared<Context>();
  OM_uint32 minor = 0, flags = 0;
  gss_buffer_desc input = view_of(question.secret.view());
  Buffer output;
  Name client;
  gss_OID mechanism = GSS_C_NO_OID;
  OM_uint32 major = gss_accept_sec_context(&minor, &context->handle, credential_, &input, GSS_C_NO_CHANNEL_BINDINGS, &client.held,
                                           &mechanism, &output.held, &flags, nullptr, nullptr);
  if (GSS_ERROR(major)) return Heard(sasl::Answer(is_ours(minor) ? Verdict::unavailable : Verdict::denied), words_of(major, minor));
  if ((major & GSS_S_CONTINUE_NEEDED) != 0) {
    sasl::Answer answer(Verdict::accepted);
    answer.context = context;
    answer.token = output.text();
    return Heard(std::move(answer));
  }
  // RFC 4752 §3.2: Kerberos 5 and nothing else; and a layer's messages must be signed.
  bool kerberos = mechanism != GSS_C_NO_OID && gss_oid_equal(mechanism, gss_mech_krb5) != 0;
  if (!kerberos || (flags & GSS_C_ANON_FLAG) != 0 || (flags & GSS_C_INTEG_FLAG) == 0) {
    return Heard(sasl::Answer(Verdict::denied), "no Kerberos, nobody's ticket, or one without signatures");
  }
  return conclude(std::move(context), client, output.text());
}

Acceptor::Heard KeytabAcceptor::conclude(std::shared_ptr<Context> context, const Name& client, std::string token) const {
  OM_uint32 minor = 0;
  Buffer text;
  OM_uint32 major = gss_display_name(&minor, client.held, &text.held, nullptr);
  if (GSS_ERROR(major)) return Heard(sasl::Answer(sasl::Answer::Verdict::unavailable), words_of(major, minor));
  std::string principal = text.text(), login = login_of(principal, realms_);
  if (login.empty()) {
    return Heard(sasl::Answer(sasl::Answer::Verdict::denied, principal),
                 escape(principal, 200) + " is no user of " + fmt::format("{}", fmt::join(realms_, ", ")));
  }
  context->whole = true;
  sasl::Answer answer(sasl::Answer::Verdict::accepted, std::move(login));
  answer.context = std::move(context);
  answer.token = std::move(token);
  answer.principal = std::move(principal);
  return Heard(std::move(answer));
}

}  // namespace

Result<std::shared_ptr<const Acceptor>> Acceptor::make(std::string_view bytes, AcceptorOptions options) {
  auto keytab = Keytab::make(bytes);
  if (!keytab) return std::unexpected(keytab.error());
  std::vector<std::string> realms = options.realms;
  std::string_view own = realm_of(options.principal);
  if (realms.empty()) realms.emplace_back(own.empty() ? realm_of(keytab->principals().front()) : own);
  auto made = std::make_shared<KeytabAcceptor>(std::move(*keytab), std::move(realms));
  auto acquired = made->acquire(options);
  if (!acquired) return std::unexpected(acquired.error());
  return std::shared_ptr<const Acceptor>(std::move(made));
}

}  // namespace mansio::kerberos
