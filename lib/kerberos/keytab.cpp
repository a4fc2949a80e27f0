#include "kerberos/keytab.hpp"

#include <krb5.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/file.hpp"
#include "base/text.hpp"

namespace mansio::kerberos {
namespace {

struct FreeContext {
  void operator()(krb5_context context) const noexcept { krb5_free_context(context); }
};
using Library = std::unique_ptr<std::remove_pointer_t<krb5_context>, FreeContext>;

std::unexpected<Error> failed(krb5_context library, krb5_error_code code, const char* doing) {
  const char* words = krb5_get_error_message(library, code);
  std::string text = std::string(doing) + ": " + escape(words == nullptr ? "unknown error" : words, 300);
  krb5_free_error_message(library, words);
  return fail(Fault::invalid, std::move(text));
}

}  // namespace

Result<Keytab> Keytab::make(std::string_view bytes) {
  UniqueFd file(::memfd_create("mansio-keytab", MFD_CLOEXEC));
  if (!file) return fail_errno("memfd_create");
  auto written = pwrite_all(file.get(), bytes, 0);
  if (!written) return std::unexpected(written.error());
  Keytab out(std::move(file));
  auto listed = out.list();
  if (!listed) return std::unexpected(listed.error());
  return out;
}

Result<> Keytab::list() {
  krb5_context made = nullptr;
  if (krb5_error_code code = krb5_init_context(&made); code != 0) return failed(nullptr, code, "Kerberos' own configuration (krb5.conf)");
  Library library(made);
  krb5_keytab keytab = nullptr;
  krb5_kt_cursor cursor = nullptr;
  krb5_error_code code = krb5_kt_resolve(library.get(), name().c_str(), &keytab);
  if (code != 0) return failed(library.get(), code, "keytab");
  code = krb5_kt_start_seq_get(library.get(), keytab, &cursor);
  bool begun = code == 0;
  krb5_keytab_entry entry{};
  while (code == 0 && (code = krb5_kt_next_entry(library.get(), keytab, &entry, &cursor)) == 0) {
    char* text = nullptr;
    if (krb5_unparse_name(library.get(), entry.principal, &text) == 0) {
      if (std::ranges::find(principals_, text) == principals_.end()) principals_.emplace_back(text);
      krb5_free_unparsed_name(library.get(), text);
    }
    krb5_free_keytab_entry_contents(library.get(), &entry);
  }
  if (begun) krb5_kt_end_seq_get(library.get(), keytab, &cursor);
  krb5_kt_close(library.get(), keytab);
  if (code != KRB5_KT_END) return failed(library.get(), code, "this is no keytab");
  if (principals_.empty()) return fail(Fault::invalid, "there is no key in it");
  return {};
}

}  // namespace mansio::kerberos
