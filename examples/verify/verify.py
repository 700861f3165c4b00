"""Verifies a leader's certificate, and with it the chain of memberships, with Python's standard library only.

    python3 verify.py KEY leader.note [chain.json]

KEY is the group key as 64 hex digits. chain.json is what GET /v1/members/chain answers with. Python has no
Ed25519 of its own, so RFC 8032's own arithmetic stands below: slow and not constant in time, which does no
harm to public values. In a program, use the package `cryptography`.
"""

import base64
import hashlib
import json
import re
import sys

COUNT = "([1-9][0-9]{0,14})"
SIGNATURE_LINE = re.compile("\u2014 ([A-Za-z0-9._-]{1,64}) ([A-Za-z0-9+/=]+)\n")
ELECTION = re.compile(
    f"floe/election/v1\ncluster (\\S+)\nepoch {COUNT}\nterm ([0-9]{{1,15}})\n"
    "leader (\\S+)\nlog [0-9]{1,15} [0-9]{1,15}\n",
    re.ASCII,
)
FOUNDING = re.compile(f"floe/genesis/v1\ncluster (\\S+)\nepoch {COUNT}\n", re.ASCII)
MEMBERSHIP = re.compile(
    f"(floe/membership/v1\ncluster (\\S+)\nsequence {COUNT}\nepoch {COUNT}\nthreshold [0-9]{{1,5}}\n"
    "previous ([0-9a-f]{64})\n((?:(?:voter|learner) [^\n]+\n)+)group ([0-9a-f]{64})\n)"
    f"by {COUNT}\n",
    re.ASCII,
)


def main(key_text, note_file, chain_file=None):
    check(re.fullmatch("[0-9a-f]{64}", key_text), "the key is not 64 hex digits")
    key = bytes.fromhex(key_text)
    cluster, epoch, term, leader = verify_leader(key, read(note_file))
    if chain_file is not None:
        voters = verify_chain(key, cluster, json.loads(read(chain_file)))
        check(leader in voters.get(epoch, ()), f"{leader} is no voter of epoch {epoch}")
    print(f"{leader} leads term {term} of {cluster}")


def verify_leader(key, note):
    """Returns what an election certificate states."""
    text, name = open_note(key, note)
    found = ELECTION.fullmatch(text)
    check(found and found[1] == name, f"the text is not an election of {name}")
    return name, int(found[2]), int(found[3]), found[4]


def verify_chain(key, cluster, chain):
    """Returns the voters of each epoch."""
    start = FOUNDING.match(chain["founding"])
    check(start and start[1] == cluster, f"there is no founding text of {cluster}")
    check(chain["memberships"], "nothing in the chain is signed")
    epoch, previous = int(start[2]), sha256(chain["founding"])
    voters = {epoch: voters_of(chain["founding"])}
    for number, link in enumerate(chain["memberships"], 1):
        body, found = open_membership(key, cluster, link["byOld"], epoch)
        follows = int(found[3]) == number and found[5] == previous
        check(follows, f"membership {number} does not follow the one before")
        following, previous = int(found[4]), sha256(body)
        both = link["byNew"] is not None
        check(following == epoch + both, f"membership {number} lacks a note, or has one too many")
        if both:
            proof, _ = open_membership(key, cluster, link["byNew"], following)
            check(proof == body, f"the two notes of membership {number} differ")
        epoch = following
        voters[epoch] = voters_of(found[6])
    return voters


def open_membership(key, cluster, note, by):
    """Returns what the next membership hashes, and the parts of it. The shares of epoch `by` signed it."""
    text, name = open_note(key, note)
    found = MEMBERSHIP.fullmatch(text)
    is_own = found and name == cluster == found[2] and found[7] == key.hex()
    check(is_own, f"a note is no membership of {cluster} under this key")
    check(int(found[8]) == by, f"membership {found[3]} is not signed by epoch {by}")
    return found[1], found


def open_note(key, note):
    """Returns a note's text and who signed it, after checking the signature."""
    text, separator, last = note.rpartition("\n\n\u2014 ")
    check(separator, "this is no signed note")
    text += "\n"
    line = SIGNATURE_LINE.fullmatch(f"\u2014 {last}")
    check(line, "the note does not end with one signature line")
    signed = base64.b64decode(line[2], validate=True)
    check(base64.b64encode(signed).decode() == line[2], "the signature is not canonical base64")
    key_id = hashlib.sha256(f"{line[1]}\n\x01".encode() + key).digest()[:4]
    check(len(signed) == 68 and signed[:4] == key_id, "the note is signed with another key")
    check(verify_signature(key, text.encode(), signed[4:]), "the signature is not of this text")
    return text, line[1]


def voters_of(text):
    return re.findall("^voter (\\S+) ", text, re.MULTILINE)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return file.read()


def check(is_good, why):
    if not is_good:
        sys.exit(f"refused: {why}")


# Ed25519, as in RFC 8032 section 6: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
ORDER = 2**252 + 27742317777372353535851937790883648493


def verify_signature(key, message, signature):
    a, r, s = decode_point(key), signature[:32], int.from_bytes(signature[32:], "little")
    if a is None or s >= ORDER or r == b"\x01" + bytes(31):
        return False
    h = int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % ORDER
    minus_a = (P - a[0], a[1], a[2], P - a[3])
    return encode_point(add(multiply(s, BASE), multiply(h, minus_a))) == r


def add(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def multiply(scalar, point):
    result = (0, 1, 1, 0)
    while scalar > 0:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def decode_point(encoded):
    number = int.from_bytes(encoded, "little")
    sign, y = number >> 255, number & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or x == 0 or (x * x - square) % P != 0:
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def encode_point(point):
    inverse = pow(point[2], -1, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))

if __name__ == "__main__":
    check(len(sys.argv) in (3, 4), "usage: verify.py KEY leader.note [chain.json]")
    try:
        main(*sys.argv[1:])
    except (ValueError, KeyError, TypeError) as error:
        sys.exit(f"refused: {error}")
