// `sendmail` as a submitter: reads the message from stdin, makes the envelope, hands both to the daemon or, when
// nobody answers, to the pickup directory, and tells the caller what became of it. Exit::ok means durably queued.
#pragma once
#include "sendmail_options.hpp"
#include "sendmail_setup.hpp"

namespace mansio::sendmail {

Exit submit_message(const Options& options, const Setup& setup);

// -bs: an SMTP session between stdin, stdout and the daemon.
Exit relay_session(const Setup& setup);

}  // namespace mansio::sendmail
