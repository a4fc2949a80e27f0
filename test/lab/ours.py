"""What mansio's log and queue say of a letter of the lab."""
from letters import Letter


def send(sender, receiver, kind=""):
    """From bob at the one to alice at a domain of the other."""
    letter = Letter(sender.address(), f"by {kind}\r\n".encode())
    assert sender.submit(letter, receiver.address("alice", kind)) == {}
    return letter


def our_id(lab, letter):
    return lab.mansio.daemon.wait_log(rf"(\S+) <= .* id={letter.token}@letters")[1]


def our_line(lab, letter, sign):
    """What mansio's log says of a delivery ("=>"), a deferral ("==") or, of the letter at its arrival from elsewhere, "<="."""
    if sign == "<=":
        return lab.mansio.daemon.wait_log(rf"^.* <= .* id={letter.token}@letters.*$")[0]
    return lab.mansio.daemon.wait_log(rf"^.* {our_id(lab, letter)} {sign} .*$")[0]


def remove(lab, letter):
    """It is not to be tried again as long as the lab lasts; and it was there, so it has not been returned."""
    id = our_id(lab, letter)
    log = lab.mansio.daemon.log()
    assert f"{id} **" not in log and f"{id} Completed" not in log and f" R={id} " not in log
    said = lab.mansio.daemon.sendmail("-Mrm", id).stdout
    assert b"has been removed" in said, said
