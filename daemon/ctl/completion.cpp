// mansioctl completion: a script for the shell, made from the command line's own description, so that it can't differ
// from it.
#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <map>

#include "config/instance.hpp"
#include "ctl/command.hpp"

namespace mansio::ctl {
namespace {

struct Words {
  std::string commands, options;         // separated by blanks
};

std::string joined(const std::string& before, const std::string& word) { return before.empty() ? word : before + ' ' + word; }

// By the words that lead there: "" is mansioctl itself, "queue list" a command of a command.
void gather(const CLI::App& app, const std::string& path, std::map<std::string, Words>& out) {
  Words& words = out[path];
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) words.options = joined(words.options, "--" + name);
  }
  for (const CLI::App* command : app.get_subcommands([](const CLI::App* one) { return !one->get_name().empty(); })) {
    out[path].commands = joined(out[path].commands, command->get_name());
    gather(*command, joined(path, command->get_name()), out);
  }
}

std::string bash_script(const CLI::App& app) {
  std::map<std::string, Words> all;
  gather(app, "", all);
  std::string cases;
  for (const auto& [path, words] : all) {
    cases += fmt::format("    '{}') commands='{}' options='{}' ;;\n", path, words.commands, path.empty() ? "" : words.options);
  }
  return fmt::format(R"sh(# mansioctl's completion for bash; made by "mansioctl completion".
_mansioctl() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} path='' commands='' options='' i
  _mansioctl_words ''
  for ((i = 1; i < COMP_CWORD; i++)); do
    case " $commands " in
      *" ${{COMP_WORDS[i]}} "*) path="${{path:+$path }}${{COMP_WORDS[i]}}"; _mansioctl_words "$path" ;;
    esac
  done
  case $before in
    -i|--instance)
      COMPREPLY=($(compgen -W "$(cd {} 2>/dev/null && for i in */mansio.conf; do [ -e "$i" ] && echo "${{i%%/*}}"; done)" -- "$word")); return ;;
    -c|--config|--file|--log|--html|--answers|--new) COMPREPLY=($(compgen -f -- "$word")); return ;;
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "{} $options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$commands" -- "$word")) ;;
  esac
}}
_mansioctl_words() {{
  case $1 in
{}  esac
}}
complete -o default -F _mansioctl mansioctl
)sh", config::instances_directory(), all[""].options, cases);
}

}  // namespace

void add_completion(CLI::App& app, Invocation& invocation) {
  auto* verb = app.add_subcommand("completion", "print the completion script for bash (zsh takes it after bashcompinit)");
  verb->callback([&app, &invocation] {
    invocation.chosen = [&app] {
      fmt::print("{}", bash_script(app));
      return done;
    };
  });
}

}  // namespace mansio::ctl
