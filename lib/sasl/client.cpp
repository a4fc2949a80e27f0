#include "sasl/client.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "sasl/scram_client.hpp"
#include "sasl/simple_clients.hpp"

namespace mansio::sasl {
namespace {

struct ClientRow {
  std::string_view name;
  enum class Shows : std::uint8_t { certificate, token, proof, bound_proof, password } shows;
  std::unique_ptr<Client> (*make)(const Credentials& credentials);  // null: SCRAM, which needs the context
};

constexpr ClientRow client_rows[] = {
    {"EXTERNAL", ClientRow::Shows::certificate, make_external_client},
    {"OAUTHBEARER", ClientRow::Shows::token, make_oauthbearer_client},
    {"XOAUTH2", ClientRow::Shows::token, make_xoauth2_client},
    {"SCRAM-SHA-256-PLUS", ClientRow::Shows::bound_proof, nullptr},
    {"SCRAM-SHA-256", ClientRow::Shows::proof, nullptr},
    {"PLAIN", ClientRow::Shows::password, make_plain_client},
    {"LOGIN", ClientRow::Shows::password,
     [](const Credentials& credentials) -> std::unique_ptr<Client> {
       return std::make_unique<LoginClient>(credentials);
     }},
};

bool names(const std::vector<std::string>& list, std::string_view name) {
  return std::ranges::any_of(list, [&](const std::string& one) { return iequals(one, name); });
}

bool fits(const ClientRow& row, const ClientContext& context, const Credentials& credentials) {
  switch (row.shows) {
    case ClientRow::Shows::certificate: return credentials.certificate;
    case ClientRow::Shows::token: return !credentials.token.empty() && context.clear_allowed;
    case ClientRow::Shows::proof: return !credentials.password.empty();
    case ClientRow::Shows::bound_proof: return !credentials.password.empty() && context.bindings.any();
    case ClientRow::Shows::password: return !credentials.password.empty() && context.clear_allowed;
  }
  return false;
}

}  // namespace

std::string_view choose_mechanism(const ClientContext& context, const Credentials& credentials) {
  for (const ClientRow& row : client_rows) {
    if (!names(context.offered, row.name) || !fits(row, context, credentials)) continue;
    if (context.allowed.empty() || names(context.allowed, row.name)) return row.name;
  }
  return "";
}

bool is_client_mechanism(std::string_view name) {
  return std::ranges::find(client_rows, name, &ClientRow::name) != std::end(client_rows);
}

std::unique_ptr<Client> make_client(std::string_view mechanism, const ClientContext& context,
                                    const Credentials& credentials) {
  auto row = std::ranges::find(client_rows, mechanism, &ClientRow::name);
  if (row == std::end(client_rows) || !fits(*row, context, credentials)) return nullptr;
  if (row->make != nullptr) return row->make(credentials);
  ScramClient::Setup setup;
  setup.bound = row->shows == ClientRow::Shows::bound_proof;
  // A server that offers -PLUS, which the configuration rules out, is not to be told "you don't offer it".
  if (setup.bound || !names(context.offered, "SCRAM-SHA-256-PLUS")) setup.bindings = context.bindings;
  setup.credentials = credentials;
  return std::make_unique<ScramClient>(std::move(setup));
}

}  // namespace mansio::sasl
