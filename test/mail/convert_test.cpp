#include "mail/convert.hpp"

#include <catch2/catch.hpp>

#include "base/encoding.hpp"
#include "base/text.hpp"
#include "mail/convert_encoders.hpp"
#include "mail/mime.hpp"
#include "mail/mime_parts.hpp"

using namespace mansio;
using namespace mansio::mail;

namespace {

ConversionPlan plan_of(std::string_view text, std::size_t piece = 100000) {
  ConversionScan scan;
  for (std::size_t i = 0; i < text.size(); i += piece) scan.add(text.substr(i, piece));
  return scan.finish();
}

std::string convert(std::string_view text, std::size_t piece = 100000) {
  auto plan = plan_of(text, piece);
  if (plan.refusal) return plan.refusal->line();
  SevenBitConverter converter(std::move(plan));
  std::string out;
  for (std::size_t i = 0; i < text.size(); i += piece) converter.add(text.substr(i, piece), out);
  converter.finish(out);
  ContentScanner scanner;
  scanner.add(out);
  auto needs = scanner.needs();
  CHECK(needs.plain());
  return out;
}

// A decoder of its own, which knows nothing of the encoder.
std::string decode_quoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
    } else if (text.substr(i, 3) == "=\r\n") {
      i += 2;
    } else {
      auto value = hex_decode(text.substr(i + 1, 2));
      REQUIRE(value);
      out += static_cast<char>(*value);
      i += 2;
    }
  }
  return out;
}

std::string decode_base64(std::string_view text) {
  std::string joined;
  for (auto line : split(text, '\n')) {
    while (line.ends_with('\r')) line.remove_suffix(1);
    CHECK(line.size() <= 76);
    joined += line;
  }
  auto bytes = base64_decode(joined);
  REQUIRE(bytes);
  return *bytes;
}

std::string body_after_header(const std::string& text) { return text.substr(text.find("\r\n\r\n") + 4); }

std::string type_header(std::string_view type, std::string_view encoding = "8bit") {
  return "MIME-Version: 1.0\r\nContent-Type: " + std::string(type) + "\r\nContent-Transfer-Encoding: " + std::string(encoding) + "\r\n\r\n";
}

}  // namespace

TEST_CASE("text comes back from quoted-printable as it was, in lines of at most 76") {
  std::string all;
  for (int c = 0; c < 256; ++c) all += static_cast<char>(c);
  for (std::string text : {std::string("h\xc3\xa4llo w\xc3\xb6rld\r\n"), std::string("\xc3\xa4 \r\n\t\r\n \r\nx\t\r\n"), std::string("\xe9\r\n.\r\n..\r\nFrom me\r\n"),
                           std::string(5000, '\xfc') + "\r\n", std::string(5000, ' ') + "\xfc\r\n", "\xfc" + std::string(300, '-') + "\r\n",
                           all + "\r\n", std::string("=\xe4=\r\n=3D\r\n"), std::string("\xe4 no end")}) {
    for (std::size_t piece : {1, 3, 4096, 100000}) {
      std::string out = convert(type_header("text/plain; charset=utf-8") + text, piece);
      INFO(out);
      CHECK(out.find("\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n") != out.npos);
      std::string body = body_after_header(out);
      CHECK(decode_quoted(body) == text);
      for (auto line : split(body, '\n')) {
        CHECK(line.size() <= 77);
        CHECK_FALSE(line.ends_with(" \r"));
        CHECK_FALSE(line.ends_with("\t\r"));
        CHECK_FALSE(line.starts_with("."));
        CHECK_FALSE(line.starts_with("From "));
      }
    }
  }
}

TEST_CASE("what is not text comes back from base64 as it was") {
  for (std::string bytes : {std::string("\x89PNG\r\n\x1a\n\0\0", 10), std::string(57, '\xff'), std::string(58, '\xfe'), std::string(100000, '\0')}) {
    std::string out = convert("Content-Type: image/png\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: binary\r\n\r\n" + bytes, 1000);
    CHECK(out.starts_with("Content-Type: image/png\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\n"));
    CHECK(decode_base64(body_after_header(out)) == bytes);
  }
}

TEST_CASE("each part of a multipart is encoded as it needs, and the labels above it are 7bit") {
  const std::string text = std::string(
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"out er\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
      "pr\xc3\xa4""amble\r\n"
      "--out er\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xa4rger\r\n"
      "--out er  \r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: binary\r\n\r\n") + std::string("GIF\xff\0\r\n\r\n", 9) +
      "--out er\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\nonly ascii\r\n"
      "--out er\r\nContent-Type: text/html\r\n\r\nno label \xe9\r\n"
      "--out er\r\nContent-Type: multipart/alternative; boundary=in\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
      "--in\r\n\r\nplain\r\n--in\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8BIT\r\n\r\n<b>\xc3\xb6</b>\r\n--in--\r\nepilogue\r\n"
      "--out er--\r\n";
  const std::string expected =
      "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"out er\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
      "pr??amble\r\n"
      "--out er\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n=C3=A4rger\r\n"
      "--out er\r\nContent-Type: image/gif\r\nContent-Transfer-Encoding: base64\r\n\r\nR0lG/wANCg==\r\n"
      "--out er\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 7bit\r\n\r\nonly ascii\r\n"
      "--out er\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nno label =E9\r\n"
      "--out er\r\nContent-Type: multipart/alternative; boundary=in\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
      "--in\r\n\r\nplain\r\n--in\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<b>=C3=B6</b>\r\n--in--\r\nepilogue\r\n"
      "--out er--\r\n";
  for (std::size_t piece : {1, 2, 13, 100000}) CHECK(convert(text, piece) == expected);
}

TEST_CASE("a message within a message is converted inside; its own encoding is a label only") {
  CHECK(convert(type_header("message/rfc822") + "Subject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\n\xe4\r\n") ==
        type_header("message/rfc822", "7bit") + "Subject: in\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n");
  CHECK(convert(type_header("multipart/digest; boundary=b") + "--b\r\n\r\nSubject: d\r\n\r\n\xe4\r\n--b--\r\n") ==
        type_header("multipart/digest; boundary=b", "7bit") + "--b\r\n\r\nSubject: d\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=E4\r\n--b--\r\n");
}

TEST_CASE("a message that is not MIME becomes MIME (RFC 1428 §3)") {
  CHECK(convert("Subject: x\r\n\r\nh\xc3\xa4\r\n") ==
        "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nh=C3=A4\r\n");
  CHECK(convert("Subject: x\r\n\r\nh\xe4\r\n").find("charset=unknown-8bit\r\n") != std::string::npos);
  CHECK(convert("Subject: x\r\nno field \xe4\r\n").find("quoted-printable\r\n\r\nno field =E4\r\n") != std::string::npos);
  // It says its type, but not that it is MIME: readers believe it.
  CHECK(convert("Content-Type: text/html; charset=utf-8\r\n\r\n\xc3\xa4\r\n") ==
        "Content-Type: text/html; charset=utf-8\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A4\r\n");
}

TEST_CASE("what needs nothing stays as it is, octet by octet") {
  for (std::string text : {std::string(), std::string("\r\n"), std::string("A: b\r\n\r\nc\r\n"), std::string("A: b\r\n\r\nno end"), std::string("A: b"),
                           type_header("text/plain", "7bit") + "x\r\n", type_header("text/plain", "quoted-printable") + "=E4\r\n",
                           type_header("multipart/signed; boundary=s", "8bit") + "--s\r\nContent-Transfer-Encoding: 8bit\r\n\r\nascii \r\n--s--\r\n",
                           type_header("multipart/mixed; boundary=b", "7bit") + "\r\n--b\r\n\r\n\r\n\r\n--b--\r\n\r\n"}) {
    CHECK(convert(text, 1) == text);
  }
}

TEST_CASE("what can't be converted is refused before anything is sent") {
  const std::string part = "--b\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\r\n--b--\r\n";
  struct RefusalCase {
    std::string content, status;
  };
  for (const RefusalCase& c : std::vector<RefusalCase>{
           {type_header("multipart/signed; protocol=\"application/pgp-signature\"; boundary=b") + part, "554 5.6.3 a signed"},
           {type_header("Multipart/Encrypted; boundary=b") + part, "554 5.6.3 a signed"},
           {type_header("application/pkcs7-mime; smime-type=signed-data", "binary") + "\x30\x80", "554 5.6.3 a signed"},
           {type_header("multipart/mixed; boundary=o") + "--o\r\nContent-Type: multipart/signed; boundary=b\r\n\r\n" + part + "--o--\r\n", "554 5.6.3 a signed"},
           {type_header("multipart/mixed") + part, "554 5.6.3 a signed"},
           {type_header("text/plain", "quoted-printable") + "\xe4\r\n", "554 5.6.3 a signed"},
           {type_header("text/plain", "x-own") + "\xe4\r\n", "554 5.6.3 a signed"},
           {type_header("message/partial; id=a; number=1") + "\xe4\r\n", "554 5.6.3 a signed"},
           {"Content-Type: text/plain\r\nContent-Type: image/png\r\n\r\n\xe4\r\n", "554 5.6.3 a signed"},
           {"Subject: \xc3\xa4\r\n\r\nx\r\n", "554 5.6.9 the header"},
           {type_header("message/rfc822") + "Subject: \xc3\xa4\r\n\r\nx\r\n", "554 5.6.9 the header"},
           {type_header("multipart/mixed; boundary=b") + "--b\r\nContent-Disposition: attachment; filename=\"\xc3\xa4\"\r\n\r\nx\r\n--b--\r\n", "554 5.6.9 the header"},
           {"Subject: a\rb\r\n\r\nx\r\n", "554 5.6.3 the header"},
       }) {
    for (std::size_t piece : {1, 100000}) {
      auto plan = plan_of(c.content, piece);
      INFO(c.content);
      REQUIRE(plan.refusal);
      CHECK(plan.refusal->permanent());
      CHECK(plan.refusal->line().starts_with(c.status));
    }
  }
}

TEST_CASE("a soft break makes no boundary of what was none") {
  std::string body(75, 'x');
  std::string out = convert(type_header("multipart/mixed; boundary=b") + "--b\r\n\r\n\xe4\r\n" + body + "--b--\r\n--b--\r\n");
  std::size_t count = 0;
  for (auto line : split(out, '\n')) count += line.starts_with("--b");
  CHECK(count == 2);
  CHECK(out.find("=2D-b--\r\n--b--\r\n") != out.npos);
}

TEST_CASE("deep nesting, many parts, long boundaries and endless fields keep their bounds") {
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "Content-Type: message/rfc822\r\n\r\n";
  CHECK(convert(deep + "\r\nx\r\n", 7) == deep + "\r\nx\r\n");
  CHECK(plan_of(deep + "\r\n\xe4\r\n").refusal);
  std::string many = type_header("multipart/mixed; boundary=b");
  for (int i = 0; i < 30'000; ++i) many += "--b\r\n\r\n";
  CHECK(plan_of(many).parts.size() == 20'000);
  CHECK_FALSE(plan_of(many).refusal);
  CHECK(plan_of(many + "\xe4\r\n--b--\r\n").refusal);
  std::string boundary(70, '=');
  CHECK(convert(type_header("multipart/mixed; boundary=\"" + boundary + "\"") + "--" + boundary + "\r\n\r\n\xe4\r\n--" + boundary + "--\r\n")
            .find("=E4\r\n--" + boundary + "--\r\n") != std::string::npos);
  CHECK(plan_of("Content-Type: multipart/mixed; x=\"" + std::string(100'000, 'y') + "\r\n\r\n\xe4\r\n", 1000).refusal);
  std::string folded = convert("X: " + std::string(3000, 'z') + "\r\n\r\n\xe4\r\n");   // its lines were checked by convert()
  CHECK(folded.ends_with("\r\n\r\n=E4\r\n"));
}

TEST_CASE("media types are read with comments, quotes and folding, and not guessed") {
  struct MediaCase {
    const char *text, *type, *boundary;
  };
  for (const MediaCase& c : std::initializer_list<MediaCase>{{" text/plain", "text/plain", ""},
                                                             {"Multipart/MIXED;\r\n\tBoundary=abc", "multipart/mixed", "abc"},
                                                             {"multipart/mixed; (a \\) comment) boundary=\"a b\\\"c\"; x=y", "multipart/mixed", "a b\"c"},
                                                             {"multipart/mixed; x=\"boundary=no\"; boundary=yes", "multipart/mixed", "yes"},
                                                             {"text / plain (x)", "text/plain", ""},
                                                             {"multipart/mixed; boundary=", "multipart/mixed", ""}}) {
    auto media = parse_media_type(c.text);
    INFO(c.text);
    REQUIRE(media);
    CHECK(media->type + "/" + media->subtype == c.type);
    CHECK(media->boundary == c.boundary);
  }
  for (const char* text : {"", "text", "/plain", "text/", "\"text\"/plain", "(text/plain"}) CHECK_FALSE(parse_media_type(text));
}
