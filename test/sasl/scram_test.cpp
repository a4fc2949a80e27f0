#include <catch2/catch.hpp>

#include "base/encoding.hpp"
#include "crypto/password.hpp"
#include "sasl/decoy.hpp"
#include "sasl/scram_client.hpp"
#include "sasl/scram_server.hpp"
#include "sasl/step_text.hpp"

namespace mansio::sasl {
namespace {

using namespace std::string_view_literals;

struct Vector {
  crypto::Hash hash;
  std::string_view client_nonce, server_nonce, salt, proof, signature;
};
constexpr Vector vectors[] = {
    // RFC 5802 §5
    {crypto::Hash::sha1, "fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j", "QSXCR+Q6sek8bf92", "v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
     "rmF9pqV8S7suAoZWja4dJRkFsKQ="},
    // RFC 7677 §3
    {crypto::Hash::sha256, "rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "W22ZaJ0SNY7soEsUEjb6gQ==",
     "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=", "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
};

const Decoy& the_decoy() {
  static const Decoy decoy("a secret of thirty-two octets....");
  return decoy;
}

ScramServer::Setup server_setup(const Vector& vector) {
  ScramServer::Setup setup;
  setup.hash = vector.hash;
  setup.decoy = &the_decoy();
  setup.nonce = vector.server_nonce;
  return setup;
}

ScramClient::Setup client_setup(const Vector& vector) {
  ScramClient::Setup setup;
  setup.hash = vector.hash;
  setup.nonce = vector.client_nonce;
  setup.credentials.user = "user";
  setup.credentials.password = crypto::Secret("pencil");
  return setup;
}

std::string join(std::initializer_list<std::string_view> pieces) {
  std::string out;
  for (auto piece : pieces) out += piece;
  return out;
}

Answer keys_of(const Vector& vector, std::string_view password = "pencil") {
  return Answer(crypto::derive_scram_keys(vector.hash, password, *base64_decode(vector.salt), 4096));
}

// One whole try; the last word of both.
struct End {
  std::string server, client;
};
End run(ScramServer& server, ScramClient& client, const Answer& answer) {
  auto initial = client.begin();
  if (!initial) return {"", initial.error().text()};
  Step step = server.begin((*initial)->view());
  while (true) {
    if (std::holds_alternative<Question>(step)) {
      step = server.answer(answer);
    } else if (auto* challenge = std::get_if<Challenge>(&step)) {
      auto response = client.respond(challenge->data);
      if (!response) return {text_of(step), response.error().text()};
      step = server.respond(response->view());
    } else {
      auto good = client.finish();
      return {text_of(step), good ? "done" : good.error().text()};
    }
  }
}

}  // namespace

TEST_CASE("SCRAM: the server of RFC 5802 §5 and RFC 7677 §3, word for word") {
  for (const Vector& v : vectors) {
    ScramServer server(server_setup(v));
    std::string nonce = join({v.client_nonce, v.server_nonce});
    CHECK(text_of(server.begin(std::nullopt)) == "challenge ");
    CHECK(text_of(server.respond(join({"n,,n=user,r=", v.client_nonce}))) == "keys user");
    CHECK(text_of(server.answer(keys_of(v))) == join({"challenge r=", nonce, ",s=", v.salt, ",i=4096"}));
    CHECK(text_of(server.respond(join({"c=biws,r=", nonce, ",p=", v.proof}))) == join({"challenge v=", v.signature}));
    CHECK(text_of(server.respond("")) == "done user");
  }
}

TEST_CASE("SCRAM: the client of RFC 5802 §5 and RFC 7677 §3, word for word") {
  for (const Vector& v : vectors) {
    ScramClient client(client_setup(v));
    std::string nonce = join({v.client_nonce, v.server_nonce});
    CHECK(client.begin().value()->view() == join({"n,,n=user,r=", v.client_nonce}));
    CHECK(client.respond(join({"r=", nonce, ",s=", v.salt, ",i=4096"})).value().view() == join({"c=biws,r=", nonce, ",p=", v.proof}));
    CHECK_FALSE(client.finish().has_value());   // a 235 too early
    CHECK(client.respond(join({"v=", v.signature})).value().view() == "");
    CHECK(client.finish().has_value());
    CHECK_FALSE(client.respond("").has_value());
  }
}

TEST_CASE("SCRAM: both sides together, with names and passwords that need care") {
  for (auto user : {"user", "a,b=c@d.test", "=3D", "jo\xcc\x88rg"}) {
    auto setup = client_setup(vectors[1]);
    setup.credentials.user = user;
    setup.credentials.password = crypto::Secret("\xe2\x85\xa8\xc2\xa0");   // prepared: "IX "
    ScramClient client(setup);
    ScramServer server(server_setup(vectors[1]));
    End end = run(server, client, keys_of(vectors[1], "IX "));
    CHECK(end.server == join({"done ", user == "jo\xcc\x88rg"sv ? "j\xc3\xb6rg" : user}));
    CHECK(end.client == "done");
  }
}

TEST_CASE("SCRAM: a wrong password, an unknown user and one without keys fail alike, at the end") {
  struct Row {
    Answer answer;
    std::string_view server;
  };
  for (auto& [answer, expected] : {
           Row{keys_of(vectors[1], "pencil2"), "failed denied user"},
           Row{Answer(Answer::Verdict::denied), "failed denied user"},
           Row{Answer(Answer::Verdict::accepted), "failed denied user"},
           Row{keys_of(vectors[0]), "failed denied user"},   // of another hash
           Row{Answer(Answer::Verdict::unavailable), "failed unavailable user"},
       }) {
    ScramServer server(server_setup(vectors[1]));
    ScramClient client(client_setup(vectors[1]));
    End end = run(server, client, answer);
    CHECK(end.server == expected);
    CHECK(end.client == "SCRAM: the server accepted without a proof of its own");
  }
}

TEST_CASE("SCRAM: an unknown user is shown the same salt each time, of the usual shape") {
  auto shown = [](std::string_view user, const Decoy& decoy) {
    auto setup = server_setup(vectors[1]);
    setup.decoy = &decoy;
    ScramServer server(setup);
    server.begin(join({"n,,n=", user, ",r=abc"}));
    return text_of(server.answer(Answer(Answer::Verdict::denied)));
  };
  std::string one = shown("nobody", the_decoy());
  CHECK(one == shown("nobody", the_decoy()));
  CHECK(one != shown("nobody2", the_decoy()));
  CHECK(one != shown("nobody", Decoy()));
  CHECK(one.size() == text_of(Challenge(join({"r=abc", vectors[1].server_nonce, ",s=", vectors[1].salt, ",i=16384"}))).size());
  auto made = crypto::scram_keys_of(crypto::make_password_entry("SCRAM-SHA-256", "pencil").value()).value();
  auto default_keys = Decoy().keys("nobody", crypto::Hash::sha256);
  CHECK(default_keys.iterations == made->iterations);
  CHECK(default_keys.salt.size() == made->salt.size());
  Decoy other;
  other.shape(10000, 32);
  auto keys = other.keys("nobody", crypto::Hash::sha256);
  CHECK(keys.iterations == 10000);
  CHECK(keys.salt.size() == 32);
  CHECK(keys.stored_key.size() == 32);
}

TEST_CASE("The entry that stands for an unknown user is always the same, and spread over the file") {
  std::size_t count[4] = {};
  for (int i = 0; i < 400; ++i) {
    std::string user = "u" + std::to_string(i);
    std::size_t index = the_decoy().pick(user, 4);
    REQUIRE(index < 4);
    CHECK(the_decoy().pick(user, 4) == index);
    ++count[index];
  }
  for (std::size_t n : count) CHECK(n > 50);
}

TEST_CASE("SCRAM: the first message, read or malformed") {
  struct Row {
    std::string_view message, step;
  };
  for (auto [message, step] : {
           Row{"n,,n=user,r=abc", "keys user"},
           Row{"n,a=user,n=user,r=abc", "keys user"},
           Row{"y,,n=user,r=abc", "keys user"},
           Row{"n,,n=a=2Cb=3D,r=abc", "keys a,b="},
           Row{"n,,n=user,r=abc,x=ignored,y=too", "keys user"},
           Row{"n,a=other,n=user,r=abc", "failed denied user"},
           Row{"", "failed malformed"},
           Row{"n", "failed malformed"},
           Row{"n,", "failed malformed"},
           Row{"n,,", "failed malformed"},
           Row{"n,,n=user", "failed malformed"},
           Row{"n,,n=user,", "failed malformed"},
           Row{"n,,n=user,r=", "failed malformed"},
           Row{"n,,n=,r=abc", "failed malformed"},
           Row{"n,,r=abc,n=user", "failed malformed"},
           Row{"n,,m=ext,n=user,r=abc", "failed malformed"},   // mandatory extension
           Row{"n,,n=user,r=abc,m=ext", "failed malformed"},
           Row{"n,,n=user,r=abc,", "failed malformed"},
           Row{"n,,n=user,r=abc,xy", "failed malformed"},
           Row{"n,,n=us=er,r=abc", "failed malformed"},
           Row{"n,,n=us=2c,r=abc", "failed malformed"},
           Row{"n,,n=user=,r=abc", "failed malformed"},
           Row{"n,a=,n=user,r=abc", "failed malformed"},
           Row{"n,user,n=user,r=abc", "failed malformed"},
           Row{"x,,n=user,r=abc", "failed malformed"},
           Row{"p=,,n=user,r=abc", "failed malformed"},
           Row{"p=tls-exporter,,n=user,r=abc", "failed malformed"},   // not the -PLUS mechanism
           Row{"p=a b,,n=user,r=abc", "failed malformed"},
           Row{"n,,n=user,r=a c", "failed malformed"},
           Row{"n,,n=user,r=a\xc3\xa4", "failed malformed"},
           Row{"n,,n=us\0er,r=abc"sv, "failed malformed"},
           Row{"n,,n=user,r=abc\n", "failed malformed"},
           Row{"n,,n=\xff,r=abc", "failed malformed"},
           Row{"n,,n=\xc2\xad,r=abc", "failed malformed"},   // prepared to nothing
       }) {
    CAPTURE(message);
    ScramServer server(server_setup(vectors[1]));
    CHECK(text_of(server.begin(message)) == step);
  }
  for (auto& message : {"n,,n=user,r=" + std::string(257, 'x'), "n,,n=" + std::string(321, 'u') + ",r=abc",
                        "n,,n=user,r=abc,x=" + std::string(2048, 'x')}) {
    ScramServer server(server_setup(vectors[1]));
    CHECK(text_of(server.begin(message)) == "failed malformed");
  }
}

TEST_CASE("SCRAM: the last message, refused or malformed") {
  const Vector& v = vectors[1];
  std::string nonce = join({v.client_nonce, v.server_nonce}), other_nonce = nonce + "x";
  std::string proof(v.proof), flipped = proof;
  flipped[3] = 'X';
  struct Row {
    std::string message;
    std::string_view step;
  };
  for (auto& [message, step] : {
           Row{join({"c=biws,r=", other_nonce, ",p=", proof}), "failed denied user"},
           Row{join({"c=biws,r=", v.client_nonce, ",p=", proof}), "failed denied user"},
           Row{join({"c=biws,r=", v.server_nonce, ",p=", proof}), "failed denied user"},
           Row{join({"c=biws,r=", nonce, ",p=", flipped}), "failed denied user"},
           Row{join({"c=biws,r=", nonce, ",p=AAAA"}), "failed denied user"},
           Row{join({"c=biws,r=", nonce, ",p=", base64_encode(std::string(64, 'x'))}), "failed denied user"},
           Row{join({"c=eSws,r=", nonce, ",p=", proof}), "failed denied user"},     // "y,,"
           Row{join({"c=biws,r=", nonce, ",x=y,p=", proof}), "failed denied user"},   // not what the proof is over
           Row{"", "failed malformed"},
           Row{join({"c=biws,r=", nonce}), "failed malformed"},
           Row{join({"c=biws,r=", nonce, ",p="}), "failed malformed"},
           Row{join({"c=biws,r=", nonce, ",p=", proof, ","}), "failed malformed"},
           Row{join({"c=biws,r=", nonce, ",p=", proof, ",x=y"}), "failed malformed"},
           Row{join({"c=biws,r=", nonce, ",m=y,p=", proof}), "failed malformed"},
           Row{join({"c=biws,p=", proof}), "failed malformed"},
           Row{join({"c=,r=", nonce, ",p=", proof}), "failed malformed"},
           Row{join({"c=b!ws,r=", nonce, ",p=", proof}), "failed malformed"},
           Row{join({"c=biws,r=", nonce, ",p=b!"}), "failed malformed"},
           Row{join({"r=", nonce, ",c=biws,p=", proof}), "failed malformed"},
           Row{std::string(2049, 'x'), "failed malformed"},
       }) {
    CAPTURE(message);
    ScramServer server(server_setup(v));
    server.begin(join({"n,,n=user,r=", v.client_nonce}));
    server.answer(keys_of(v));
    CHECK(text_of(server.respond(message)) == step);
    CHECK(text_of(server.respond(join({"c=biws,r=", nonce, ",p=", proof}))) == "failed malformed");   // no second guess
  }
  ScramServer server(server_setup(v));
  server.begin(join({"n,,n=user,r=", v.client_nonce}));
  server.answer(keys_of(v));
  server.respond(join({"c=biws,r=", nonce, ",p=", proof}));
  CHECK(text_of(server.respond("x")) == "failed malformed");
}

TEST_CASE("SCRAM: channel binding of both types, and what its offer being hidden leads to") {
  ChannelBindings exporter, end_point, both, other, none;
  exporter.exporter = both.exporter = std::string("ex\0porter", 9);
  end_point.server_end_point = both.server_end_point = "digest";
  other.exporter = "another session";
  struct Row {
    bool server_bound, server_offers;
    ChannelBindings server;
    bool client_bound;
    ChannelBindings client;
    std::string_view end;
  };
  for (auto& row : {
           Row{true, true, both, true, both, "done user"},
           Row{true, true, both, true, exporter, "done user"},
           Row{true, true, both, true, end_point, "done user"},
           Row{true, true, exporter, true, other, "failed denied user"},       // somebody is between us
           Row{true, true, end_point, true, exporter, "failed malformed"},     // a type that we don't have
           Row{true, true, both, false, none, "failed malformed"},             // -PLUS without binding
           Row{true, true, both, false, both, "failed malformed"},
           Row{false, true, both, true, both, "failed malformed"},             // binding without -PLUS
           Row{false, true, both, false, both, "failed denied user"},          // "y", but we did offer it
           Row{false, false, both, false, both, "done user"},                  // "y", and we did not
           Row{false, true, both, false, none, "done user"},
       }) {
    auto server = server_setup(vectors[1]);
    server.bound = row.server_bound;
    server.bound_offered = row.server_offers;
    server.bindings = row.server;
    auto client = client_setup(vectors[1]);
    client.bound = row.client_bound;
    client.bindings = row.client;
    ScramServer server_side(server);
    ScramClient client_side(client);
    End end = run(server_side, client_side, keys_of(vectors[1]));
    CHECK((end.server.starts_with("failed malformed") ? "failed malformed" : end.server) == row.end);
    CHECK((end.client == "done") == row.end.starts_with("done"));
  }
}

TEST_CASE("SCRAM: a client takes nothing from a server that it should not") {
  const Vector& v = vectors[1];
  std::string nonce = join({v.client_nonce, v.server_nonce});
  for (auto& challenge : {
           std::string(), std::string("r="), join({"r=", nonce}), join({"r=", nonce, ",s=", v.salt}),
           join({"r=", nonce, ",i=4096,s=", v.salt}),
           join({"r=", v.client_nonce, ",s=", v.salt, ",i=4096"}),            // nothing of the server's
           join({"r=", v.server_nonce, ",s=", v.salt, ",i=4096"}),            // nothing of ours
           join({"r=x", nonce, ",s=", v.salt, ",i=4096"}),
           join({"r=", nonce, ",s=,i=4096"}), join({"r=", nonce, ",s=!,i=4096"}),
           join({"r=", nonce, ",s=", v.salt, ",i="}), join({"r=", nonce, ",s=", v.salt, ",i=-1"}),
           join({"r=", nonce, ",s=", v.salt, ",i=0"}), join({"r=", nonce, ",s=", v.salt, ",i=4095"}),
           join({"r=", nonce, ",s=", v.salt, ",i=1000001"}), join({"r=", nonce, ",s=", v.salt, ",i=4294967296"}),
           join({"r=", nonce, ",s=", v.salt, ",i=99999999999999999999999"}),
           join({"r=", nonce, ",s=", v.salt, ",i=4096,m=x"}), join({"m=x,r=", nonce, ",s=", v.salt, ",i=4096"}),
           join({"r=", nonce, std::string(3000, 'x'), ",s=", v.salt, ",i=4096"}), join({"v=", v.signature}),
       }) {
    CAPTURE(challenge);
    ScramClient client(client_setup(v));
    REQUIRE(client.begin().has_value());
    CHECK_FALSE(client.respond(challenge).has_value());
    CHECK_FALSE(client.respond(join({"r=", nonce, ",s=", v.salt, ",i=4096"})).has_value());   // it is over
    CHECK_FALSE(client.finish().has_value());
  }
  for (auto& challenge : {std::string(), std::string("v="), std::string("v=AAAA"), std::string("v=!"), std::string("e=other-error\x1b"),
                          std::string("e=invalid-proof"), join({"v=", vectors[0].signature}), join({"v=", v.signature, ",m=x,"})}) {
    CAPTURE(challenge);
    ScramClient client(client_setup(v));
    REQUIRE(client.begin().has_value());
    REQUIRE(client.respond(join({"r=", nonce, ",s=", v.salt, ",i=4096"})).has_value());
    CHECK_FALSE(client.respond(challenge).has_value());
    CHECK_FALSE(client.finish().has_value());
  }
  ScramClient never_begun(client_setup(v));
  CHECK_FALSE(never_begun.respond("x").has_value());
  CHECK_FALSE(never_begun.finish().has_value());
}

TEST_CASE("SCRAM: nonces of our own are random and printable") {
  auto first = [] {
    auto setup = client_setup(vectors[1]);
    setup.nonce.clear();
    return std::string(ScramClient(setup).begin().value()->view());
  };
  std::string one = first();
  CHECK(one != first());
  CHECK(one.size() == "n,,n=user,r="sv.size() + 24);
  auto setup = server_setup(vectors[1]);
  setup.nonce.clear();
  ScramServer a(setup), b(setup);
  a.begin(one);
  b.begin(one);
  CHECK(text_of(a.answer(keys_of(vectors[1]))) != text_of(b.answer(keys_of(vectors[1]))));
}

}  // namespace mansio::sasl
