#include "crypto/digest.hpp"

#include <catch2/catch.hpp>

#include "crypto/secret.hpp"

namespace mansio::crypto {
namespace {

std::string hex_of(std::string_view bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("Digests of FIPS 180's example") {
  CHECK(hex_of(digest(Hash::sha1, "abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(hex_of(digest(Hash::sha256, "abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex_of(digest(Hash::sha512, "")).substr(0, 32) == "cf83e1357eefb8bdf1542850d66d8007");
  for (Hash hash : {Hash::sha1, Hash::sha256, Hash::sha512}) CHECK(digest(hash, "x").size() == digest_size(hash));
}

TEST_CASE("HMAC of RFC 4231, and with a key that is empty") {
  CHECK(hex_of(hmac(Hash::sha256, "Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(hex_of(hmac(Hash::sha256, "", "")) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
  CHECK(hmac(Hash::sha256, "", "a") == hmac(Hash::sha256, std::string_view(), "a"));
}

TEST_CASE("PBKDF2 of RFC 6070 and of RFC 7914 §11") {
  CHECK(hex_of(pbkdf2(Hash::sha1, "password", "salt", 4096)) == "4b007901b765489abead49d926f721d065a429c1");
  CHECK(hex_of(pbkdf2(Hash::sha256, "passwd", "salt", 1)) == "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  CHECK_THROWS(pbkdf2(Hash::sha256, "passwd", "salt", 0));
}

TEST_CASE("A secret that is moved away, assigned to or wiped leaves nothing") {
  Secret a("short"), b("a secret that is too long to lie inside of the string object");
  Secret c(std::move(a)), d = b;
  CHECK(a.empty());
  CHECK(c.view() == "short");
  CHECK(d.view() == b.view());
  c = std::move(b);
  CHECK(b.empty());
  CHECK(c.view() == d.view());
  std::string text = "in the clear";
  const char* bytes = text.data();
  std::size_t size = text.size();
  wipe(text);
  CHECK(text.empty());
  CHECK(std::string(bytes, size) == std::string(size, '\0'));
}

TEST_CASE("Random bytes differ; constant-time comparison compares") {
  CHECK(random_bytes(24) != random_bytes(24));
  CHECK(random_bytes(0).empty());
  CHECK(equal_in_constant_time("", ""));
  CHECK(equal_in_constant_time("abc", "abc"));
  CHECK_FALSE(equal_in_constant_time("abc", "abd"));
  CHECK_FALSE(equal_in_constant_time("abc", "ab"));
}

}  // namespace mansio::crypto
