"""A scripted SMTP server on the lab's network. What it says to a recipient is in the local part, up to the first "-":
    no-…      550 5.1.1, always
    grey-…    450 4.7.1 at first, 250 from then on
    odd-…     550 without an enhanced code, in two lines, with a control character in it
others are taken. At the end of data a domain data-no.sink.lab.test is refused with 554."""
import re
import threading


class Taken:
    """A message the sink has taken."""

    def __init__(self, sender, recipients, content, hello):
        self.sender, self.recipients, self.content, self.hello = sender, recipients, content, hello


ALL = ("8BITMIME", "SMTPUTF8", "PIPELINING", "ENHANCEDSTATUSCODES", "SIZE 60000000")


class Sink:
    def __init__(self, machine, addresses, extensions=ALL):
        self.extensions = extensions          # none: EHLO is not understood
        self.taken = []
        self.asked = {}                       # (sender, recipient): how often
        for address in addresses:
            listener = machine.listen(address)
            threading.Thread(target=self.serve, args=(listener,), daemon=True).start()

    def serve(self, listener):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.session, args=(connection,), daemon=True).start()

    def messages(self, token):
        return [each for each in list(self.taken) if token.encode() in each.content]

    def recipients(self, token):
        """All recipients that a letter was taken for, each as often as it was."""
        return [name for each in self.messages(token) for name in each.recipients]

    def session(self, connection):
        connection.settimeout(60)
        try:
            with connection, connection.makefile("rb") as lines:
                self.talk(connection, lines)
        except OSError:
            pass

    def talk(self, connection, lines):
        def say(*texts):
            connection.sendall("".join(text + "\r\n" for text in texts).encode())

        hello, sender, recipients = "", None, []
        say("220 mx.sink.lab.test ESMTP")
        while line := lines.readline(70000):
            verb, rest = (line.decode("utf-8", "replace").rstrip("\r\n").split(" ", 1) + [""])[:2]
            verb = verb.upper()
            if verb == "EHLO" and self.extensions:
                hello = verb
                say("250-mx.sink.lab.test", *(f"250-{each}" for each in self.extensions), "250 HELP")
            elif verb == "HELO":
                hello = verb
                say("250 mx.sink.lab.test")
            elif verb == "MAIL":
                sender, recipients = path(rest), []
                say("250 2.1.0 ok")
            elif verb == "RCPT":
                answer = self.answer(sender, path(rest))
                if answer[0].startswith("250"):
                    recipients.append(path(rest))
                say(*answer)
            elif verb == "DATA" and recipients:
                say("354 go on")
                content = read_data(lines)
                if content is None:
                    return
                if any(each.endswith("@data-no.sink.lab.test") for each in recipients):
                    say("554 5.6.0 not this content")
                else:
                    self.taken.append(Taken(sender, recipients, content, hello))
                    say("250 2.0.0 taken")
            elif verb == "DATA":
                say("554 5.5.1 no recipients")
            elif verb in ("RSET", "NOOP"):
                sender, recipients = None, []
                say("250 2.0.0 ok")
            elif verb == "QUIT":
                say("221 2.0.0 bye")
                return
            else:
                say("502 5.5.2 what?")

    def answer(self, sender, recipient):
        key = (sender, recipient)
        self.asked[key] = self.asked.get(key, 0) + 1
        kind = recipient.split("-")[0]
        if kind == "no":
            return ["550 5.1.1 there is nobody of that name"]
        if kind == "odd":
            return ["550-We do not\x07 like", "550 this address"]
        if kind == "grey" and self.asked[key] == 1:
            return ["450 4.7.1 greylisted, come back"]
        return ["250 2.1.5 ok"]


def path(argument):
    found = re.search(r"<([^>]*)>", argument)
    return found.group(1) if found else ""


def read_data(lines):
    """The content, unstuffed; None if the connection ends first."""
    content = bytearray()
    while line := lines.readline(1 << 20):
        if line == b".\r\n":
            return bytes(content)
        content += line[1:] if line.startswith(b".") else line
    return None
