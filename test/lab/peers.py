"""postfix, exim4 and opensmtpd as hosts of the lab. All offer STARTTLS with a certificate of the lab's authority, use it where it
is offered, treat some of mansio's domains in ways of their own (names.TLS_KINDS), and take mail of users who log in at the ports
587 and 465."""
import re
import subprocess
import time

from certificates import openssl
from hosts import ACCOUNTS, OWNER, USERS, Peer
from logins import DOVECOT, PASSWORD, USER
from names import domains

POSTFIX_LOGIN = ["smtpd_sasl_auth_enable=yes", "smtpd_relay_restrictions=permit_sasl_authenticated,reject"]
POSTFIX_SERVICES = "".join(f"{port} inet n - n - - smtpd\n" + "".join(f"  -o {setting}\n" for setting in settings) for port, settings in {
    2512: ["smtpd_tls_protocols=TLSv1.2"], 2513: ["smtpd_tls_protocols=>=TLSv1.3"], 2511: ["smtpd_tls_protocols=TLSv1.1"],
    587: ["smtpd_tls_security_level=encrypt", *POSTFIX_LOGIN], 465: ["smtpd_tls_wrappermode=yes", *POSTFIX_LOGIN],
    588: ["smtpd_tls_security_level=encrypt", *POSTFIX_LOGIN, "smtpd_sasl_type=cyrus", "smtpd_sasl_path=cyrus"],
}.items()) + """user unix - - n - - smtp
  -o smtp_sasl_auth_enable=yes
  -o smtp_tls_security_level=verify
user-implicit unix - - n - - smtp
  -o smtp_sasl_auth_enable=yes
  -o smtp_tls_security_level=verify
  -o smtp_tls_wrappermode=yes
"""
POSTFIX_POLICIES = """required.mansio.lab.test encrypt
verify.mansio.lab.test verify
wrong.mansio.lab.test verify
stranger.mansio.lab.test verify tafile=/etc/tls/stranger.crt
clear.mansio.lab.test none
tls12.mansio.lab.test encrypt protocols=TLSv1.2
tls13.mansio.lab.test encrypt protocols=>=TLSv1.3
"""


class Postfix(Peer):
    def configure(self):
        self.machine.write("/etc/postfix/main.cf", f"""compatibility_level = 3.6
myhostname = mx.{self.domain}
myorigin = {self.domain}
mydestination =
alias_maps =
virtual_mailbox_domains = {' '.join(domains(self.name))}
virtual_mailbox_maps = texthash:/etc/postfix/mailboxes
virtual_mailbox_base = /var/mail
virtual_uid_maps = static:{OWNER}
virtual_gid_maps = static:{OWNER}
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 52428800
mynetworks = 127.0.0.0/8 [::1]/128
smtpd_relay_restrictions = permit_mynetworks reject_unauth_destination
smtputf8_enable = yes
inet_protocols = all
smtp_address_preference = ipv6
smtp_tls_security_level = may
smtp_tls_CAfile = /etc/tls/authority.crt
smtp_tls_policy_maps = texthash:/etc/postfix/tls
smtp_tls_loglevel = 1
smtpd_tls_security_level = may
smtpd_tls_cert_file = /etc/tls/leaf.crt
smtpd_tls_key_file = /etc/tls/leaf.key
smtpd_tls_received_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = inet:{DOVECOT}
smtpd_sasl_authenticated_header = yes
smtp_sasl_password_maps = texthash:/etc/postfix/logins
smtp_sasl_security_options = noanonymous
transport_maps = texthash:/etc/postfix/transports
smtp_connect_timeout = 2s
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 3s
notify_classes =
maillog_file = /var/log/mail.log
queue_directory = /var/spool/postfix
data_directory = /var/lib/postfix
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
meta_directory = /etc/postfix
""")
        mailboxes = [f"{user}@{domain} {user}/\n" for domain in domains(self.name) for user in USERS]
        self.machine.write("/etc/postfix/mailboxes", "".join(mailboxes))
        services = (self.machine.tree / "usr/share/postfix/master.cf.dist").read_text()
        services = re.sub(r"^(\S+ +\S+ +\S+ +\S+ +)y", r"\1n", services, flags=re.M)      # without its own chroot
        self.machine.write("/etc/postfix/master.cf", services + POSTFIX_SERVICES)
        self.own("var/lib/postfix", "postfix")
        self.machine.write("/etc/postfix/sasl/cyrus.conf", "pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN SCRAM-SHA-256\n")
        self.machine.write("/etc/postfix/logins", f"mx.mansio.lab.test {USER}:{PASSWORD}\n")
        self.machine.write("/etc/postfix/transports", "smart.mansio.lab.test user:[mx.mansio.lab.test]:587\n"
                           "implicit.mansio.lab.test user-implicit:[mx.mansio.lab.test]:465\n")
        self.machine.write("/etc/postfix/tls", POSTFIX_POLICIES)

    def empty_queue(self):
        self.machine.run("postsuper", "-d", "ALL")

    def queue(self):
        return self.machine.run("postqueue", "-j").splitlines()

    def start(self):
        self.machine.run("sh", "-c", f"echo '{PASSWORD}' | saslpasswd2 -p -c -u lab.test cyrus && chown postfix /etc/sasldb2")
        self.machine.run("postfix", "start", timeout=60)


# One router and one transport for each way to treat mansio: what the transport has besides.
EXIM_WAYS = {
    "required": "hosts_require_tls = *",
    "verify": "hosts_require_tls = *\n  tls_verify_hosts = *",
    "wrong": "hosts_require_tls = *\n  tls_verify_hosts = *",
    "stranger": "hosts_require_tls = *\n  tls_verify_hosts = *\n  tls_verify_certificates = /etc/tls/stranger.crt",
    "clear": "hosts_avoid_tls = *",
    "tls12": "hosts_require_tls = *\n  tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.2",
    "tls13": "hosts_require_tls = *\n  tls_require_ciphers = NORMAL:-VERS-ALL:+VERS-TLS1.3",
    "smart": "port = 587\n  hosts_require_tls = *\n  tls_verify_hosts = *\n  hosts_require_auth = *",
    "implicit": "port = 465\n  protocol = smtps\n  tls_verify_hosts = *\n  hosts_require_auth = *",
}


def exim_routers():
    routes = {"smart": "manualroute\n  route_data = mx.mansio.lab.test", "implicit": "manualroute\n  route_data = mx.mansio.lab.test"}
    return "".join(f"""{way}:
  driver = {routes.get(way, "dnslookup")}
  domains = {way}.mansio.lab.test
  transport = {way}
  no_more
""" for way in EXIM_WAYS)


def exim_transports():
    return "".join(f"""{way}:
  driver = smtp
  connect_timeout = 2s
  hosts_try_dane =
  {"" if "tls_verify_certificates" in more else "tls_verify_certificates = /etc/tls/authority.crt"}
  {more}
""" for way, more in EXIM_WAYS.items())


class Exim(Peer):
    key = "rsa"
    key_file = (0o600, ACCOUNTS["Debian-exim"])

    def configure(self):
        self.own("var/spool/exim4", "Debian-exim", 0o750)
        self.own("var/log/exim4", "Debian-exim", 0o750)
        self.machine.write("/etc/exim4/users", "".join(f"{user}: {user}\n" for user in USERS))
        self.machine.write("/etc/exim4/exim4.conf", f"""primary_hostname = mx.{self.domain}
qualify_domain = {self.domain}
domainlist local_domains = {' : '.join(domains(self.name))}
hostlist relay_from_hosts = <; 127.0.0.1 ; ::1
acl_smtp_rcpt = check_rcpt
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
daemon_smtp_ports = 25 : 465 : 587 : 2512 : 2513
tls_advertise_hosts = *
tls_on_connect_ports = 465
tls_certificate = /etc/tls/leaf.crt
tls_privatekey = /etc/tls/leaf.key
tls_require_ciphers = ${{if eq{{$received_port}}{{2512}}{{NORMAL:-VERS-ALL:+VERS-TLS1.2}}\
  {{${{if eq{{$received_port}}{{2513}}{{NORMAL:-VERS-ALL:+VERS-TLS1.3}}{{NORMAL}}}}}}}}
log_selector = +tls_certificate_verified
host_lookup =
message_size_limit = 50M
log_file_path = /var/log/exim4/%slog
smtp_accept_queue_per_connection = 0
keep_environment =
begin acl
check_rcpt:
  accept  authenticated = *
  deny    condition = ${{if inlist{{$received_port}}{{465:587}}}}
          message = log in first
  deny    domains = +local_domains
          message = unknown user
          !verify = recipient
  accept  domains = +local_domains
  accept  hosts = +relay_from_hosts
  deny    message = relay not permitted
begin routers
{exim_routers()}remote:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote
  no_more
local:
  driver = accept
  local_parts = lsearch;/etc/exim4/users
  transport = maildir
begin transports
{exim_transports()}remote:
  driver = smtp
  connect_timeout = 2s
  hosts_try_dane =
  tls_verify_certificates = /etc/tls/authority.crt
  tls_try_verify_hosts = *
maildir:
  driver = appendfile
  directory = /var/mail/$local_part_data
  maildir_format
  user = vmail
  group = vmail
  return_path_add
begin retry
* * F,1h,1s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${{if and{{{{def:tls_in_cipher}}{{inlist{{$received_port}}{{465:587}}}}}}}}
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{USER}}}}}{{eq{{$auth3}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth2
  client_send = ^{USER}^{PASSWORD}
login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = ${{if and{{{{def:tls_in_cipher}}{{inlist{{$received_port}}{{465:587}}}}}}}}
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{USER}}}}}{{eq{{$auth2}}{{{PASSWORD}}}}}}}}}
  server_set_id = $auth1
""")

    def empty_queue(self):
        """What it can't send makes it take the hosts for dead, for other mail too."""
        if ids := self.queue():
            subprocess.run([*self.machine.enter(), "exim4", "-Mrm", *ids], capture_output=True, timeout=30)      # not one that is being tried

    def queue(self):
        return re.findall(r"^ *\S+ +\S+ +(\w{6}-\w{6}-\w{2}) ", self.machine.run("exim4", "-bpr"), re.M)

    def start(self):
        self.process = self.machine.spawn("exim4", "-bdf", "-q1s")


class OpenSmtpd(Peer):
    smtputf8 = False
    key = "rsa"
    hurried = 0

    def configure(self):
        self.machine.write("/etc/mail-users", "".join(f"{user} {OWNER}:{OWNER}:/var/mail\n" for user in USERS))
        self.machine.write("/etc/aliases", "")
        self.machine.write("/etc/logins", f"{USER} {openssl('passwd', '-6', PASSWORD)}")
        listed = ", ".join(f'"{domain}"' for domain in domains(self.name))
        self.machine.write("/etc/smtpd.conf", f"""table users file:/etc/mail-users
table domains {{ {listed} }}
table secrets {{ me = "{USER}:{PASSWORD}" }}
table logins file:/etc/logins
pki "mx.{self.domain}" cert "/etc/tls/leaf.crt"
pki "mx.{self.domain}" key "/etc/tls/leaf.key"
smtp max-message-size "50M"
listen on 0.0.0.0 tls pki "mx.{self.domain}" hostname mx.{self.domain}
listen on :: tls pki "mx.{self.domain}" hostname mx.{self.domain}
listen on 0.0.0.0 port 587 tls-require pki "mx.{self.domain}" auth <logins> hostname mx.{self.domain} tag "login"
action "local" maildir "/var/mail/%{{user.username}}" userbase <users>
action "remote" relay helo mx.{self.domain}
action "required" relay helo mx.{self.domain} tls no-verify
action "verify" relay helo mx.{self.domain} tls
action "smart" relay helo mx.{self.domain} host smtp+tls://me@mx.mansio.lab.test:587 auth <secrets>
action "implicit" relay helo mx.{self.domain} host smtps://me@mx.mansio.lab.test:465 auth <secrets>
match ! tag "login" from any for domain <domains> action "local"
match tag "login" auth from any for domain <domains> action "local"
match from local for domain "required.mansio.lab.test" action "required"
match from local for domain "verify.mansio.lab.test" action "verify"
match from local for domain "wrong.mansio.lab.test" action "verify"
match from local for domain "smart.mansio.lab.test" action "smart"
match from local for domain "implicit.mansio.lab.test" action "implicit"
match from local for any action "remote"
""")

    def start(self):
        self.process = self.machine.spawn("smtpd", "-d")

    def hurry(self):
        """Its schedule is fixed, and the first retry comes after minutes."""
        if time.monotonic() > self.hurried + 0.7:
            self.hurried = time.monotonic()
            # With the group that the package's own scripts would have given smtpctl.
            self.machine.run("chroot", f"--userspec=0:{ACCOUNTS['opensmtpq']}", "/", "smtpctl", "schedule", "all")
