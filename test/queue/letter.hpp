// A message with its content in a file, as the spool hands it to an attempt; and a directory that goes when it does.
#pragma once
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <string>

#include "base/file.hpp"
#include "spool/spool.hpp"

inline const mansio::Time letter_time{std::chrono::seconds(1'700'000'000)};

struct LetterDirectory {
  LetterDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "mansio-letter-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) path = name;
  }
  LetterDirectory(const LetterDirectory&) = delete;
  LetterDirectory& operator=(const LetterDirectory&) = delete;
  ~LetterDirectory() { std::filesystem::remove_all(path); }
  std::string path;
};

struct Letter {
  Letter(std::string_view content, std::initializer_list<const char*> recipients) : message(make_envelope(recipients)) {
    std::string file = directory.path + "/content";
    fd = mansio::open_file(file, O_RDWR | O_CREAT).value();
    mansio::write_all(fd.get(), "before").value();       // as in a segment: the content does not begin the file
    mansio::write_all(fd.get(), content).value();
    message.id.seconds = 1'700'000'000;
    message.head = "Received: ours\r\n";
    message.content.fd = fd.get();
    message.content.offset = 6;
    message.content.length = content.size();
  }
  static mansio::mail::Envelope make_envelope(std::initializer_list<const char*> recipients) {
    mansio::mail::Envelope envelope;
    envelope.sender = *mansio::mail::Address::parse("alice@ex.test");
    envelope.received = letter_time;
    for (const char* text : recipients) envelope.recipients.emplace_back(*mansio::mail::Address::parse(text));
    return envelope;
  }
  LetterDirectory directory;
  mansio::UniqueFd fd;
  mansio::spool::Message message;
};
