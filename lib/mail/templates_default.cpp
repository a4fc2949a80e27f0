// The texts of etc/bounce/*.txt as they are compiled in; test/mail/templates_test.cpp holds them against the files.
#include "mail/templates.hpp"

namespace mansio::mail {

std::string_view default_template_text(TemplateKind kind) noexcept {
  static constexpr std::array<std::string_view, template_kinds> texts{
R"text(# What the sender of a message reads when it could not be delivered. Lines that begin with # are left out up to Subject.
# Places to fill in: see BOUNCE TEMPLATES in mansio.conf(5).
Subject: Undelivered mail returned to sender

This is the mail system at {host}.

Your message of {arrival} could not be delivered to:

{recipients}
Your message, or its header, is attached. Its queue id here was {queue_id}.
If you need help, write to {postmaster} and attach this report.

[recipient]
  <{address}>
    {written_as}
    {answer}

    {advice}

[written_as]
(you wrote to {original})

[host_answer]
The host {remote} said on {time}:
  {reply}

[own_answer]
{host} gave up on {time}:
  {reply}

[no_such_user]
There is no such mailbox. Check the spelling of the address, or ask the
recipient for a new one in another way. Sending it again won't help.

[no_such_domain]
The part of the address behind the @ does not exist, or takes no mail.
Check its spelling.

[mailbox_full]
The recipient's mailbox is full. Tell them in another way, or send it
again later.

[too_large]
The message is too large for the recipient. Send less at once, or a link
to the files.

[policy]
The other side refused the message by its own rules. Only they can tell
why, and change it: ask the recipient or their postmaster in another way,
and show them the answer above.

[content]
The other side can't take a message of this kind. Send it in another form.

[loop]
The message went round in circles. The recipient's mail is forwarded in a
wrong way: tell them, or their postmaster.

[expired]
It was tried again and again, for as long as this host keeps a message.
The other side could not be reached, or always said to come back later.
If it is still important, send it again.

[other]
Sending it again unchanged won't help as long as the cause above lasts.
)text",
R"text(# What the sender of a message reads when it is late. Lines that begin with # are left out up to Subject.
# Places to fill in: see BOUNCE TEMPLATES in mansio.conf(5).
Subject: Delayed mail (still being retried)

This is the mail system at {host}.

Your message of {arrival} has not been delivered yet to:

{recipients}
THIS IS ONLY A WARNING: you need not send the message again. You will hear
of it once more if it can't be delivered in the end.
Its queue id here is {queue_id}.

[recipient]
  <{address}>
    {written_as}
    {answer}

    {advice}

[written_as]
(you wrote to {original})

[host_answer]
The host {remote} said on {time}:
  {reply}

[own_answer]
The last attempt, on {time}, ended with:
  {reply}

[mailbox_full]
The recipient's mailbox is full. The message will be tried until
{until}. Tell them in another way if it is urgent.

[other]
The message will be tried until {until}.
)text",
R"text(# What the sender of a message reads who asked to be told of success. Lines that begin with # are left out up to Subject.
# Places to fill in: see BOUNCE TEMPLATES in mansio.conf(5).
Subject: Successful mail delivery report

This is the mail system at {host}.

Your message of {arrival} reached:

{recipients}
Its queue id here was {queue_id}.

[recipient]
  <{address}>
    {written_as}
    {answer}
    {advice}

[written_as]
(you wrote to {original})

[host_answer]
taken over by the host {remote} on {time}

[own_answer]
on {time}

[delivered]
It is in the mailbox.

[relayed]
It was passed on to a host that sends no reports of success: you will hear
nothing more unless it fails there.

[expanded]
It was passed on to the members of this address. They are not reported one
by one.
)text",
  };
  return texts[static_cast<std::size_t>(kind)];
}

}  // namespace mansio::mail
