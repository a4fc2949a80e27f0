#include "sasl/server.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "sasl/bearer_server.hpp"
#include "sasl/decoy.hpp"
#include "sasl/external_server.hpp"
#include "sasl/gssapi_server.hpp"
#include "sasl/plain_server.hpp"
#include "sasl/scram_server.hpp"

namespace mansio::sasl {
namespace {

enum class Need : std::uint8_t { nothing, encryption, keys, bound_keys, certificate };

struct Row {
  std::string_view name;
  Need need;
  std::unique_ptr<Server> (*make)(const ServerContext& context);
};

bool offers(const ServerContext& context, const Row& row);

std::unique_ptr<Server> make_scram(const ServerContext& context, bool bound);

constexpr Row rows[] = {
    {"EXTERNAL", Need::certificate,
     [](const ServerContext&) -> std::unique_ptr<Server> { return std::make_unique<ExternalServer>(); }},
    {"GSSAPI", Need::nothing,
     [](const ServerContext&) -> std::unique_ptr<Server> { return std::make_unique<GssapiServer>(); }},
    {"SCRAM-SHA-256-PLUS", Need::bound_keys, [](const ServerContext& context) { return make_scram(context, true); }},
    {"SCRAM-SHA-256", Need::keys, [](const ServerContext& context) { return make_scram(context, false); }},
    {"OAUTHBEARER", Need::encryption,
     [](const ServerContext&) -> std::unique_ptr<Server> {
       return std::make_unique<BearerServer>(BearerServer::Form::oauthbearer);
     }},
    {"XOAUTH2", Need::encryption,
     [](const ServerContext&) -> std::unique_ptr<Server> {
       return std::make_unique<BearerServer>(BearerServer::Form::xoauth2);
     }},
    {"PLAIN", Need::encryption,
     [](const ServerContext&) -> std::unique_ptr<Server> { return std::make_unique<PlainServer>(); }},
    {"LOGIN", Need::encryption,
     [](const ServerContext&) -> std::unique_ptr<Server> { return std::make_unique<LoginServer>(); }},
};

bool offers(const ServerContext& context, const Row& row) {
  if (std::ranges::none_of(context.mechanisms, [&](const std::string& name) { return iequals(name, row.name); }))
    return false;
  switch (row.need) {
    case Need::nothing: return true;
    case Need::encryption: return context.encrypted;
    case Need::keys: return context.decoy != nullptr;
    case Need::bound_keys: return context.decoy != nullptr && context.bindings.any();
    case Need::certificate: return context.certificate;
  }
  return false;
}

std::unique_ptr<Server> make_scram(const ServerContext& context, bool bound) {
  ScramServer::Setup setup;
  setup.bound = bound;
  setup.bound_offered =
      std::ranges::any_of(rows, [&](const Row& row) { return row.need == Need::bound_keys && offers(context, row); });
  setup.bindings = context.bindings;
  setup.decoy = context.decoy;
  return std::make_unique<ScramServer>(std::move(setup));
}

Failed out_of_turn() { return Failed(Failed::Reason::malformed, "a response out of turn"); }

}  // namespace

Step Server::note(Step step) {
  if (std::holds_alternative<Challenge>(step))
    turn_ = Turn::client;
  else if (std::holds_alternative<Question>(step))
    turn_ = Turn::back_end;
  else
    turn_ = Turn::over;
  return step;
}

Step Server::begin(std::optional<std::string_view> initial) {
  if (turn_ != Turn::begin) return note(out_of_turn());
  if (!initial) return note(greeting());
  turn_ = Turn::client;
  return respond(*initial);
}

Step Server::respond(std::string_view response) {
  if (turn_ != Turn::client) return note(out_of_turn());
  if (response.size() > response_max) return note(Failed(Failed::Reason::malformed, "a response that is too long"));
  return note(heard(response));
}

Step Server::answer(const Answer& answer) {
  if (turn_ != Turn::back_end) return note(out_of_turn());
  return note(told(answer));
}

const std::vector<std::string_view>& mechanism_names() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> out;
    for (const Row& row : rows) out.push_back(row.name);
    return out;
  }();
  return names;
}

std::vector<std::string_view> offered(const ServerContext& context) {
  std::vector<std::string_view> out;
  for (const Row& row : rows) {
    if (offers(context, row)) out.push_back(row.name);
  }
  return out;
}

std::unique_ptr<Server> make_server(std::string_view mechanism, const ServerContext& context) {
  for (const Row& row : rows) {
    if (iequals(mechanism, row.name)) return offers(context, row) ? row.make(context) : nullptr;
  }
  return nullptr;
}

}  // namespace mansio::sasl
