// What `why` says of the plan for an address, out of the daemon's answer (control/session.hpp has its keys): a sentence that
// answers, then the steps as a tree, then each destination's hosts and state.
#pragma once
#include <cstdint>
#include <string>

#include "ctl/daemon_link.hpp"
#include "ctl/page.hpp"

namespace mansio::ctl {

// "Mail for bob@example.net is accepted and goes to mx1.example.net [192.0.2.1]:25 over TLS."
std::string address_sentence(const Json& answer);
// The same for the waiting part of a message; "goes to ...; the host has been out of reach for 2h, next try in 14m (16:42)".
std::string way_sentence(const Json& plan, const Json& sites, std::int64_t now);

void show_verdict(const Json& answer, Page& page);
// Tree of steps and destinations of a plan. `margin` stands before each line.
void show_steps(const Json& plan, const std::string& margin, Page& page);
void show_site(const Json& site, std::int64_t now, Page& page);
void show_retry(const Json& retry, std::int64_t now, bool of_message, Page& page);

// "16:42", or with the date when it is another day.
std::string clock_text(std::int64_t seconds);
// "in 14m (16:42)", "2h ago (14:20)", "now".
std::string moment_text(std::int64_t seconds, std::int64_t now);
// "450 4.2.0 greylisted", of an object {"code", ..., "line"}.
std::string status_line(const Json& object, std::string_view key);
// An empty object when it is none.
const Json& object_of(const Json& object, std::string_view key);

}  // namespace mansio::ctl
