#include "smtp/command.hpp"

#include "base/text.hpp"
#include "fuzz/targets.hpp"
#include "smtp/masking.hpp"
#include "smtp/reply.hpp"

void fuzz::command(std::string_view input) {
  using namespace mansio;
  for (bool smtputf8 : {false, true}) {
    auto parsed = smtp::parse_command(input, smtputf8);
    if (!parsed) {
      require(parsed.error().permanent(), "a refusal is 5yz");
      require(smtp::format_reply(parsed.error()).ends_with("\r\n"), "a refusal can be written");
      continue;
    }
    require(smtp::verb_of(input) == parsed->verb, "verb_of agrees");
    if (const auto* mail = std::get_if<smtp::MailArguments>(&parsed->arguments)) {
      require(!has_control(mail->envid) && !has_control(mail->auth), "parameters hold no control byte");
      require(!mail->path || mail->smtputf8 || !mail->path->needs_smtputf8(), "non-ASCII needs SMTPUTF8");
    }
    if (const auto* rcpt = std::get_if<smtp::RcptArguments>(&parsed->arguments)) {
      require(!has_control(rcpt->orcpt), "ORCPT holds no control byte");
      require(!rcpt->path || smtputf8 || !rcpt->path->needs_smtputf8(), "non-ASCII needs SMTPUTF8");
    }
  }
}

// Nothing after AUTH's mechanism is ever shown.
void fuzz::masking(std::string_view input) {
  using namespace mansio;
  std::string line = "AUTH PLAIN " + std::string(input);
  require(smtp::masked_command(line) == (trim(input).empty() ? "AUTH PLAIN" : "AUTH PLAIN ***"), "what may be a password is left out");
  if (!istarts_with(trim(input), "AUTH")) require(smtp::masked_command(input) == input, "other lines are as they are");
  require(smtp::masked_input("NOOP\r\n" + line) == "NOOP\r\nAUTH***", "and all that follows it");
  require(smtp::masked_command(input).size() <= input.size() + 4 + 3, "no more is shown than there is");
}
