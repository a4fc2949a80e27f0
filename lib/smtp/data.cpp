#include "smtp/data.hpp"

#include <cstring>

namespace mansio::smtp {

void DataDecoder::emit(std::string_view bytes, std::vector<std::string_view>& spans) {
  if (bytes.empty()) return;
  octets_ += bytes.size();
  if (!bare_ || mode_ == BareNewline::normalize) spans.push_back(bytes);
}

void DataDecoder::bare(std::vector<std::string_view>& spans) {
  bare_ = true;
  if (mode_ == BareNewline::normalize) emit("\r\n", spans);
  else ++octets_;
}

// From inside a line or its start up to the next place that needs thought: whole lines go by in one span. `in` is not
// empty and at_ is text, or line_start with no dot at in[0]. Leaves at_ at what comes after the returned octets.
std::size_t DataDecoder::feed_text(std::string_view in, std::vector<std::string_view>& spans) {
  std::size_t i = 0;
  at_ = At::text;
  for (;;) {
    const void* found = std::memchr(in.data() + i, '\r', in.size() - i);
    std::size_t cr = found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - in.data()) : in.size();
    const void* lf = std::memchr(in.data() + i, '\n', cr - i);
    if (lf != nullptr) {
      i = static_cast<std::size_t>(static_cast<const char*>(lf) - in.data());
      emit(in.substr(0, i), spans);
      bare(spans);
      return i + 1;
    }
    if (cr + 1 < in.size() && in[cr + 1] == '\n') {
      i = cr + 2;
      if (i < in.size() && (in[i] != '.' || framing_ != Framing::dots)) continue;
      emit(in.substr(0, i), spans);
      at_ = At::line_start;
      return i;
    }
    emit(in.substr(0, cr), spans);
    if (cr == in.size()) return cr;
    at_ = At::cr;
    return cr + 1;
  }
}

// At the start of a line.
void DataDecoder::feed_start(char c, std::size_t& at) {
  if (c == '.' && framing_ == Framing::dots) {
    at_ = At::dot;   // RFC 5321 §4.5.2: this dot is either the end or stuffing, never content
    ++at;
  } else {
    at_ = At::text;
  }
}

void DataDecoder::feed_dot_cr(char c, std::size_t& at, std::vector<std::string_view>& spans) {
  if (c == '\n') {
    ended_ = true;
    ++at;
    return;
  }
  at_ = At::text;
  bare(spans);
}

void DataDecoder::feed_cr(char c, std::size_t& at, std::vector<std::string_view>& spans) {
  if (c == '\n') {
    emit("\r\n", spans);
    at_ = At::line_start;
    ++at;
    return;
  }
  at_ = At::text;
  bare(spans);
}

std::size_t DataDecoder::feed(std::string_view in, std::vector<std::string_view>& spans) {
  if (framing_ == Framing::binary) {
    emit(in, spans);
    return in.size();
  }
  std::size_t at = 0;
  while (at < in.size() && !ended_) {
    switch (at_) {
      case At::line_start: feed_start(in[at], at); break;
      case At::dot:
        at_ = in[at] == '\r' ? At::dot_cr : At::text;
        if (at_ == At::dot_cr) ++at;
        break;
      case At::dot_cr: feed_dot_cr(in[at], at, spans); break;
      case At::cr: feed_cr(in[at], at, spans); break;
      case At::text: at += feed_text(in.substr(at), spans); break;
    }
  }
  return at;
}

void DataDecoder::finish(std::vector<std::string_view>& spans) {
  if (at_ == At::cr) bare(spans);
  at_ = At::text;
}

}  // namespace mansio::smtp
