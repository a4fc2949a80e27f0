#include "control/queue_merge.hpp"

#include <algorithm>

namespace mansio::control {

std::string id_in_line(const std::string& line) {
  constexpr std::string_view key = "\"id\":\"";
  auto at = line.find(key);
  if (at == std::string::npos) return {};
  at += key.size();
  auto end = line.find('"', at);
  return end == std::string::npos ? std::string() : line.substr(at, end - at);
}

QueueMerge::QueueMerge(Peers& peers, const nlohmann::json& question, const std::vector<spool::QueueId>& order) {
  for (const auto& id : order) wanted_.try_emplace(id, wanted_.size());
  for (unsigned number = 0; number < peers.count(); ++number) sources_.push_back(std::make_unique<Source>(peers, number, question));
}

std::pair<std::size_t, spool::QueueId> QueueMerge::order_of(const std::string& id) const {
  auto parsed = spool::QueueId::parse(id).value_or(spool::QueueId());
  auto wanted = wanted_.find(parsed);
  return {wanted == wanted_.end() ? wanted_.size() : wanted->second, parsed};
}

void QueueMerge::take_line(Source& source) {
  const std::string& line = source.answer.line();
  source.id = id_in_line(line);
  if (!source.id.empty()) {
    source.line = line;
    source.order = order_of(source.id);
    source.ready = true;
    return;
  }
  nlohmann::json object = nlohmann::json::parse(line, nullptr, false);
  if (!object.is_object()) return;
  if (auto looked = object.find("looked_at"); looked != object.end() && looked->is_number_unsigned()) source.looked_at = looked->get<std::size_t>();
  if (auto ids = object.find("ids"); ids != object.end() && ids->is_array()) {
    for (const nlohmann::json& id : *ids) source.ids.push_back(id.is_string() ? id.get<std::string>() : std::string());
  }
}

// True: it has a message, or nothing more ever. False: it told of progress.
event::Task<bool> QueueMerge::advance(Source* source) {
  while (!source->ready && !source->over) {
    if (!source->ids.empty()) {
      source->id = std::move(source->ids.front());
      source->ids.pop_front();
      source->line.clear();
      source->order = order_of(source->id);
      source->ready = true;
      break;
    }
    bool more = co_await source->answer.next();
    if (!more) {
      source->over = true;
      if (source->answer.refused() && refusal_.is_null()) refusal_ = source->answer.last();
      break;
    }
    auto before = source->looked_at;
    take_line(*source);
    if (source->looked_at != before) co_return false;
  }
  co_return true;
}

event::Task<bool> QueueMerge::next() {
  id_.clear();
  line_.clear();
  Source* first = nullptr;
  for (auto& source : sources_) {
    bool known = co_await advance(source.get());
    if (!known) co_return true;
    if (!refusal_.is_null()) co_return false;
    if (source->ready && (first == nullptr || source->order < first->order)) first = source.get();
  }
  if (first == nullptr) co_return false;
  id_ = std::move(first->id);
  line_ = std::move(first->line);
  first->ready = false;
  co_return true;
}

std::size_t QueueMerge::looked_at() const {
  std::size_t out = 0;
  for (const auto& source : sources_) out += source->looked_at;
  return out;
}

LastLines QueueMerge::last() const {
  LastLines out;
  for (const auto& source : sources_) {
    if (source->over) out.add(source->answer.number(), source->answer.last());
  }
  return out;
}

}  // namespace mansio::control
