#include "crypto/password.hpp"

#include <catch2/catch.hpp>

namespace mansio::crypto {

using namespace std::string_view_literals;

// The password is "pencil sharp"; most were written by `doveadm pw`.
constexpr std::string_view entries[] = {
    "{PLAIN}pencil sharp",
    "{plain}pencil sharp",
    "{CLEARTEXT}pencil sharp",
    "{SHA512-CRYPT}$6$rounds=1000$p9EiEzPA5hnrqSkW$"
    "Fm4OgSANd39uPks5qirgxXWZxMQLtHpksV4F1.GZ.5NDW91YViKISOv8JMO7AmsgiP.e34jODNivxSLOIERxN/",
    "{SHA256-CRYPT}$5$rounds=1000$HJAb6c8nxUx0UaCl$PesXavA4UfqNS2iToWyl1LZ0ph8AbFYRk.rtueP.C7.",
    "{BLF-CRYPT}$2y$05$pSIU1Y0RK15/zortnpjtEuKfrwJ6LPVCUPSqlU.2dI7bTsyztsgZq",
    "{CRYPT}$2y$05$H9AUA.M5GCw3JnI7K//j0O2Pm7TiuEGo1DyRpL3CsIXeyjPHChUNq",
    "$2y$05$H9AUA.M5GCw3JnI7K//j0O2Pm7TiuEGo1DyRpL3CsIXeyjPHChUNq",
    "{SSHA256}I03pyb7ZQmAFPE2VICo2MRfctzeaOJKXHLpsSDJUCaNpNE4+",
    "{SSHA256.b64}I03pyb7ZQmAFPE2VICo2MRfctzeaOJKXHLpsSDJUCaNpNE4+",
    "{SSHA256.HEX}aed67d82ec9df9ff0d7ef8f8f60aead55f147814a50b33907fb96950bd686b388a56f61e",
    "{SSHA512}QIvDupK8sAM/USuLB+k7OKhwgOxfL0x8dsPCgjALuUlrzKo2+z2gXv1wY8srg4NE/j6ztgZn/ciOc4x/q72V6a+QNkA=",
    "{SCRAM-SHA-256}4096,HCxMsr662cwiA/EsOxmcag==,qH1+ixRwgUp9d5ML0De1AHTpnDFVGpRGuX6k+eoRM8Q=,"
    "9D8UtDOwKYyhYATuLgz6UGR0O9auio/CnG2KGjOIhHk=",
};

TEST_CASE("An entry of each scheme opens to its password alone") {
  for (auto entry : entries) {
    CAPTURE(entry);
    CHECK(check_password_entry(entry).has_value());
    CHECK(check_password(entry, "pencil sharp") == true);
    CHECK_FALSE(is_locked(entry));
    for (auto wrong : {""sv, "pencil shar"sv, "pencil sharp "sv, "Pencil sharp"sv, "pencil sharp\0"sv, "pencil sharp\n"sv, "\xff"sv}) {
      CHECK(check_password(entry, wrong) == false);
    }
    CHECK(check_password(entry, std::string(511, 'x')) == false);
    CHECK(check_password(entry, std::string(512, 'x')) == false);
    CHECK(check_password(entry, std::string(1024, 'x')) == false);
    CHECK(check_password(entry, std::string(100000, 'x')) == false);
  }
}

TEST_CASE("Unknown schemes and broken hashes are errors, whatever the password") {
  for (auto entry : {
           "{MD5}X"sv, "{}x"sv, "{PLAIN"sv, "{PLAIN.HEX}61"sv, "{SSHA256.B32}x"sv, "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$x$y"sv,
           "{CRYPT}pencil"sv, "pencil"sv, "{CRYPT}abJnggxhB/yWI"sv, "{CRYPT}$"sv, "{CRYPT}$99$abc"sv, "{SHA512-CRYPT}$5$abc$x"sv,
           "{BLF-CRYPT}$6$abc$x"sv,
           "{SSHA256}no base64"sv, "{SSHA256}YWJj"sv, "{SSHA256.HEX}abc"sv, "{SSHA256.HEX}zz"sv,
           "{SSHA256}I03pyb7ZQmAFPE2VICo2MRfctzeaOJKXHLpsSDJUCaM="sv,   // no salt
           "{SCRAM-SHA-256}4096,AA==,AA==,AA=="sv, "{SCRAM-SHA-256}x"sv,
           "{SCRAM-SHA-256}1,HCxMsr662cwiA/EsOxmcag==,qH1+ixRwgUp9d5ML0De1AHTpnDFVGpRGuX6k+eoRM8Q=,9D8UtDOwKYyhYATuLgz6UGR0O9auio/CnG2KGjOIhHk="sv,
           "{SCRAM-SHA-256}4000000000,HCxMsr662cwiA/EsOxmcag==,qH1+ixRwgUp9d5ML0De1AHTpnDFVGpRGuX6k+eoRM8Q=,9D8UtDOwKYyhYATuLgz6UGR0O9auio/CnG2KGjOIhHk="sv,
           "{PLAIN}a\nb"sv, "{PLAIN}a\0"sv,
       }) {
    CAPTURE(entry);
    CHECK_FALSE(check_password_entry(entry).has_value());
    auto checked = check_password(entry, "pencil");
    REQUIRE_FALSE(checked.has_value());
    CHECK(checked.error().fault() == Fault::invalid);
    CHECK(checked.error().text().find("pencil") == std::string::npos);
  }
}

TEST_CASE("A hash of crypt(3) that is cut short opens to nothing") {
  for (auto entry : {"{BLF-CRYPT}$2y$05$short"sv, "{SHA512-CRYPT}$6$salt"sv, "{SHA512-CRYPT}$6$"sv, "{CRYPT}$y$j9T$"sv}) {
    CAPTURE(entry);
    for (auto password : {""sv, "x"sv}) CHECK_FALSE(check_password(entry, password).value_or(false));
  }
}

TEST_CASE("Locked and empty entries let nobody in") {
  for (auto entry : {""sv, "!"sv, "*"sv, "{CRYPT}"sv, "{CRYPT}!$6$abc$def"sv, "{PLAIN}"sv, "{SSHA256}"sv, "{SCRAM-SHA-256}*"sv}) {
    CAPTURE(entry);
    CHECK(check_password_entry(entry).has_value());
    CHECK(is_locked(entry));
    for (auto password : {""sv, "!"sv, "*"sv, "x"sv}) CHECK(check_password(entry, password) == false);
    CHECK(scram_keys_of(entry).value() == std::nullopt);
  }
}

TEST_CASE("A new entry opens to its password, and no two are the same") {
  for (auto scheme : {"SHA512-CRYPT", "BLF-CRYPT", "CRYPT", "SSHA256", "ssha512", "SCRAM-SHA-256"}) {
    CAPTURE(scheme);
    auto entry = make_password_entry(scheme, "jo\xcc\x88rg");
    REQUIRE(entry.has_value());
    CHECK(check_password_entry(*entry).has_value());
    CHECK(check_password(*entry, "j\xc3\xb6rg") == true);   // prepared
    CHECK(check_password(*entry, "jorg") == false);
    CHECK(make_password_entry(scheme, "jo\xcc\x88rg").value() != *entry);
    CHECK(entry->find(':') == std::string::npos);           // fields of the file end there
  }
  CHECK(check_password(*make_password_entry("SCRAM-SHA-256", "j\xc3\xb6rg"), "jo\xcc\x88rg") == true);
}

TEST_CASE("A new entry costs a guesser something") {
  CHECK(make_password_entry("BLF-CRYPT", "x")->starts_with("{BLF-CRYPT}$2b$10$"));
  CHECK(make_password_entry("SHA512-CRYPT", "x")->starts_with("{SHA512-CRYPT}$6$rounds=100000$"));
  CHECK(make_password_entry("CRYPT", "x")->starts_with("{CRYPT}$y$"));
  CHECK(make_password_entry("SCRAM-SHA-256", "x")->starts_with("{SCRAM-SHA-256}16384,"));
}

TEST_CASE("No new entry for a scheme that is not written, a password that is unusable or would be cut") {
  CHECK_FALSE(make_password_entry("PLAIN", "x").has_value());
  CHECK_FALSE(make_password_entry("SHA256-CRYPT", "x").has_value());
  CHECK_FALSE(make_password_entry("ROT13", "x").has_value());
  CHECK_FALSE(make_password_entry("CRYPT", "").has_value());
  CHECK_FALSE(make_password_entry("CRYPT", "a\nb").has_value());
  CHECK_FALSE(make_password_entry("SSHA512", std::string(1025, 'x')).has_value());
  CHECK_FALSE(make_password_entry("CRYPT", std::string(512, 'x')).has_value());
  CHECK_FALSE(make_password_entry("BLF-CRYPT", std::string(73, 'x')).has_value());
  CHECK(make_password_entry("BLF-CRYPT", std::string(72, 'x')).has_value());
}

TEST_CASE("SCRAM's keys are read from their scheme alone, and written as they were read") {
  std::string text(entries[12].substr(15));
  auto keys = parse_scram_keys(text);
  REQUIRE(keys.has_value());
  CHECK(keys->iterations == 4096);
  CHECK(keys->salt.size() == 16);
  CHECK(format_scram_keys(*keys) == text);
  CHECK(scram_keys_of(entries[12]).value() == *keys);
  CHECK(derive_scram_keys(Hash::sha256, "pencil sharp", keys->salt, 4096) == *keys);
  for (std::size_t i = 0; i < 12; ++i) CHECK(scram_keys_of(entries[i]).value() == std::nullopt);
  CHECK_FALSE(scram_keys_of("{MD5}x").has_value());
}

}  // namespace mansio::crypto
