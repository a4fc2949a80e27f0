// Connections to other hosts, where several mail processes share the limits: so many to a site, so many in all. Each
// connection has a seat for as long as it lives. Who finds none says so in the same table and asks again; who has one that it
// can do without gives it up for them. Without a common table seats cost nothing, and everybody gets one.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/shared_counts.hpp"

namespace mansio::deliver {

class Seats {
 public:
  class Seat {
   public:
    Seat() = default;
    Seat(Seat&& other) noexcept : of_(std::exchange(other.of_, nullptr)), site_(std::move(other.site_)), shared_(other.shared_) {}
    Seat& operator=(Seat&& other) noexcept {
      std::swap(of_, other.of_);
      std::swap(site_, other.site_);
      std::swap(shared_, other.shared_);
      return *this;
    }
    ~Seat();

   private:
    friend class Seats;
    Seats* of_ = nullptr;
    std::string site_;
    std::array<bool, 2> shared_{};       // counted for all processes: at the site, in all
  };
  // That this process waits for a seat, for as long as it lives.
  class Wish {
   public:
    Wish(Seats& of, const std::string& site);
    ~Wish();
    Wish(const Wish&) = delete;
    Wish& operator=(const Wish&) = delete;

   private:
    Seats& of_;
    std::uint64_t key_;
    bool counted_;
  };
  enum class Answer : std::uint8_t { taken, site_full, all_full };

  void share(std::shared_ptr<SharedCounts> all) { all_ = std::move(all); }
  bool shared() const noexcept { return all_ != nullptr; }
  Answer take(const std::string& site, std::uint64_t at_site, std::uint64_t in_all, Seat& seat);
  // Another process waits for a seat at this site ("": for any seat).
  bool wanted(const std::string& site) const;

 private:
  bool take_one(const std::string& name, std::uint64_t limit, bool& shared);
  void give_one(const std::string& name, bool shared) noexcept;

  std::unordered_map<std::string, std::uint32_t> own_;
  std::shared_ptr<SharedCounts> all_;
};

}  // namespace mansio::deliver
