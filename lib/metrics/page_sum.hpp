// The pages of several mail processes as one: samples of the same name and labels are added. Of gauges that say whether all is
// well the smallest counts, of those that are the same everywhere the largest. What a process had counted before it was
// started again, or while it can't be asked, stays in the sums: counters never fall as long as this object lives.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mansio::metrics {

class PageSum {
 public:
  // By process; "": it gave none. The whole page.
  std::string text(const std::vector<std::string>& pages);

 private:
  struct Counted {
    double last = 0, before = 0;       // of this run; of the runs before it
  };
  struct Family {
    std::string head, type;            // "# HELP …\n# TYPE …\n"
    std::vector<std::string> series;   // "name{labels}", as they came
  };
  void read(std::size_t process, const std::string& page);
  void take_sample(std::size_t process, std::string_view line);
  std::size_t family(const std::string& name);
  double counted(const std::string& series) const;

  std::vector<Family> families_;
  std::map<std::string, std::size_t, std::less<>> known_;                       // family → index
  std::size_t current_ = 0;                                                     // the family that a page is at
  std::vector<std::map<std::string, Counted, std::less<>>> counters_;           // by process: series →
  std::map<std::string, double, std::less<>> gauges_;                           // of these pages
};

}  // namespace mansio::metrics
