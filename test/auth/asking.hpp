// Puts questions to a back end, and says the answers in words.
#pragma once
#include <string>

#include "auth/backend.hpp"
#include "../event/run_on_loop.hpp"

namespace mansio::auth {

inline std::string words_of(const sasl::Answer& answer) {
  switch (answer.verdict) {
    case sasl::Answer::Verdict::accepted: return "accepted " + answer.user;
    case sasl::Answer::Verdict::denied: return "denied";
    case sasl::Answer::Verdict::unavailable: break;
  }
  return "unavailable";
}

inline Facts from(const std::string& client) {
  Facts facts;
  facts.client_address = client;
  facts.client_port = 4711;
  facts.local_address = "192.0.2.1";
  facts.local_port = 587;
  facts.encrypted = true;
  return facts;
}

inline sasl::Question password_question(const std::string& user, const std::string& password) {
  return sasl::Question(sasl::Question::Kind::password, user, crypto::Secret(password));
}

inline event::Task<> put(Backend* backend, const sasl::Question* question, const Facts* facts, sasl::Answer* out) {
  auto task = backend->ask(*question, *facts);
  auto answer = co_await task;
  *out = std::move(answer);
}

// One question on a loop; its answer.
inline sasl::Answer ask(event::OnLoop& on, Backend& backend, const sasl::Question& question, const Facts& facts = from("192.0.2.9")) {
  sasl::Answer out(sasl::Answer::Verdict::unavailable);
  on.run(put(&backend, &question, &facts, &out));
  return out;
}

}  // namespace mansio::auth
