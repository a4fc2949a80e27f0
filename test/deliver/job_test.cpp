#include "deliver/job.hpp"

#include <catch2/catch.hpp>
#include <random>

namespace mansio::deliver {
namespace {

Job full_job() {
  Job job;
  job.serial = 0x0102030405060708;
  job.kind = JobKind::pipe;
  job.message = {3, 1ull << 40, (1ull << 32) + 1};
  job.binary = true;
  job.maybe_repeated = true;
  job.want_forward = true;
  job.prefix = std::string("Return-Path: <>\r\n") + '\0';
  job.uid = 1000;
  job.gid = 100;
  job.user = "bob";
  job.home = "/home/bob";
  job.path = "/home/bob/Maildir";
  job.name = "1.a_b";
  job.sender = "a@b";
  job.command = {"/bin/cat", "", "-n"};
  job.environment = {"SENDER=a@b"};
  job.timeout = Duration(1234);
  return job;
}

TEST_CASE("a job comes out of its packet as it went in") {
  auto packet = encode_job(full_job());
  REQUIRE(packet);
  auto job = decode_job(*packet);
  REQUIRE(job);
  CHECK(encode_job(*job).value() == *packet);
  CHECK(job->serial == 0x0102030405060708);
  CHECK(job->kind == JobKind::pipe);
  CHECK(job->message.length == (1ull << 32) + 1);
  CHECK(job->prefix.size() == 18);
  CHECK(job->command == std::vector<std::string>{"/bin/cat", "", "-n"});
  CHECK(job->environment == std::vector<std::string>{"SENDER=a@b"});
  CHECK(job->timeout == Duration(1234));
  CHECK((job->binary && job->maybe_repeated && job->want_forward));
}

TEST_CASE("an answer comes out of its packet as it went in") {
  Answer answer;
  answer.serial = 9;
  answer.status = Status(452, 2, 2, "mailbox full");
  answer.sys = 28;
  answer.bytes = 5;
  answer.found = true;
  answer.uid = 1;
  answer.gid = 2;
  answer.user = "bob";
  answer.home = "/h";
  answer.gecos = "Bob,,,";
  answer.forward = "a@b\n";
  answer.output = crypto::Secret(std::string_view("to\0ken\n", 7));
  auto packet = encode_answer(answer);
  REQUIRE(packet);
  auto back = decode_answer(*packet);
  REQUIRE(back);
  CHECK(back->status.line() == "452 4.2.2 mailbox full");
  CHECK(encode_answer(*back).value() == *packet);
  CHECK(back->forward == "a@b\n");
  CHECK(back->gecos == "Bob,,,");
  CHECK(back->output.view() == std::string_view("to\0ken\n", 7));
}

TEST_CASE("every shortened and every lengthened packet is refused") {
  auto job = encode_job(full_job()).value();
  auto answer = encode_answer(Answer{}).value();
  for (std::size_t n = 0; n < job.size(); ++n) CHECK_FALSE(decode_job(job.substr(0, n)));
  for (std::size_t n = 0; n < answer.size(); ++n) CHECK_FALSE(decode_answer(answer.substr(0, n)));
  CHECK_FALSE(decode_job(job + "x"));
  CHECK_FALSE(decode_answer(answer + "x"));
}

TEST_CASE("random damage to a packet is an error or a job that encodes again") {
  std::mt19937 random(1);
  auto packet = encode_job(full_job()).value();
  for (int i = 0; i < 20000; ++i) {
    auto damaged = packet;
    for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    auto job = decode_job(damaged);
    if (job) CHECK(encode_job(*job));
  }
}

TEST_CASE("a job that lacks what its kind needs is refused on both sides") {
  auto broken = [](auto change) {
    Job job = full_job();
    change(job);
    return !encode_job(job).has_value();
  };
  CHECK(broken([](Job& j) { j.kind = JobKind::maildir, j.name = "../x"; }));
  CHECK(broken([](Job& j) { j.kind = JobKind::maildir, j.name = ".x"; }));
  CHECK(broken([](Job& j) { j.kind = JobKind::maildir, j.name = "a:2,S"; }));
  CHECK(broken([](Job& j) { j.kind = JobKind::mbox, j.path = "relative"; }));
  CHECK(broken([](Job& j) { j.kind = JobKind::mbox, j.path = ""; }));
  CHECK(broken([](Job& j) { j.command = {"cat"}; }));
  CHECK(broken([](Job& j) { j.command.clear(); }));
  CHECK(broken([](Job& j) { j.kind = JobKind::token_command, j.command = {"cat"}; }));
  CHECK(broken([](Job& j) { j.message.fd_slot = no_slot; }));
  CHECK(broken([](Job& j) { j.home = "home"; }));
  CHECK(broken([](Job& j) { j.command.resize(300, "x"); }));
  CHECK(broken([](Job& j) { j.path = std::string("/a\0b", 4); }));
  CHECK(broken([](Job& j) { j.prefix.assign(max_packet, 'x'); }));
  CHECK(broken([](Job& j) { j.kind = static_cast<JobKind>(99); }));
}

}  // namespace
}  // namespace mansio::deliver
