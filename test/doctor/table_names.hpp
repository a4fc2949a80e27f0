// Names that answer from a table. A name that was never mentioned does not exist.
#pragma once
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "doctor/names.hpp"
#include "event/loop.hpp"
#include "event/scope.hpp"

namespace mansio::doctor {

class TableNames final : public Names {
 public:
  TableNames& a(const std::string& name, std::vector<std::string> addresses) { return put(name, dns::Type::a).addresses = std::move(addresses), *this; }
  TableNames& aaaa(const std::string& name, std::vector<std::string> addresses) { return put(name, dns::Type::aaaa).addresses = std::move(addresses), *this; }
  TableNames& txt(const std::string& name, std::vector<std::string> texts) { return put(name, dns::Type::txt).texts = std::move(texts), *this; }
  TableNames& ptr(const std::string& name, std::vector<std::string> names) { return put(name, dns::Type::ptr).names = std::move(names), *this; }
  TableNames& cname(const std::string& name, std::string target) { return put(name, dns::Type::cname).names = {std::move(target)}, *this; }
  TableNames& mx(const std::string& name, std::vector<dns::Mx> hosts) { return put(name, dns::Type::mx).mx = std::move(hosts), *this; }
  TableNames& trouble(const std::string& name, dns::Type type) { return put(name, type).outcome = dns::Outcome::timed_out, *this; }
  std::size_t questions = 0;

  event::Task<AnswerPtr> ask(std::string name, dns::Type type) override {
    ++questions;
    if (name.ends_with('.')) name.pop_back();
    auto found = table_.find({name, type});
    auto out = std::make_shared<dns::Answer>();
    bool known = false;
    for (const auto& [key, answer] : table_) known = known || key.first == name;
    out->outcome = known ? dns::Outcome::no_data : dns::Outcome::nxdomain;
    if (found != table_.end()) *out = found->second;
    co_return out;
  }

 private:
  dns::Answer& put(const std::string& name, dns::Type type) {
    dns::Answer& answer = table_[{name, type}];
    answer.outcome = dns::Outcome::found;
    return answer;
  }
  std::map<std::pair<std::string, dns::Type>, dns::Answer> table_;
};

namespace detail {
template <class T>
event::Task<> keep(event::Task<T> task, std::vector<T>* out) {
  out->push_back(co_await task);
}
}  // namespace detail

// Runs a task that waits for nothing but a table.
template <class T>
T answer_of(event::Task<T> task) {
  event::Scope scope([](std::exception_ptr bug) { std::rethrow_exception(bug); });
  std::vector<T> out;
  scope.spawn(detail::keep(std::move(task), &out));
  return std::move(out.at(0));
}

}  // namespace mansio::doctor
