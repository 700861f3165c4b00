// Verifies a leader's certificate, and with it the chain of memberships, with Go's standard library only.
//
//	go run verify.go KEY leader.note [chain.json]
//
// KEY is the group key as 64 hex digits. chain.json is what GET /v1/members/chain answers with.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

var (
	signatureLine = regexp.MustCompile(`^— ([A-Za-z0-9._-]{1,64}) ([A-Za-z0-9+/=]+)\n$`)
	election      = regexp.MustCompile(`^floe/election/v1\ncluster (\S+)\nepoch ([1-9]\d{0,14})\nterm (\d{1,15})\n` +
		`leader (\S+)\nlog \d{1,15} \d{1,15}\n$`)
	founding   = regexp.MustCompile(`^floe/genesis/v1\ncluster (\S+)\nepoch ([1-9]\d{0,14})\n`)
	membership = regexp.MustCompile(`^floe/membership/v1\ncluster (\S+)\nsequence (\d{1,15})\n` +
		`epoch ([1-9]\d{0,14})\nthreshold \d{1,5}\nprevious ([0-9a-f]{64})\n` +
		`((?:(?:voter|learner) [^\n]+\n)+)group ([0-9a-f]{64})\n(by ([1-9]\d{0,14})\n)$`)
)

func main() {
	if len(os.Args) != 3 && len(os.Args) != 4 {
		refuse("usage: verify KEY leader.note [chain.json]")
	}
	key, err := hex.DecodeString(os.Args[1])
	if err != nil || len(key) != ed25519.PublicKeySize {
		refuse("the key is not 64 hex digits")
	}
	cluster, epoch, term, leader := verifyLeader(key, read(os.Args[2]))
	if len(os.Args) == 4 {
		voters := verifyChain(key, cluster, []byte(read(os.Args[3])))
		if members, known := voters[epoch]; !known || !members[leader] {
			refuse("%s is no voter of epoch %d", leader, epoch)
		}
	}
	fmt.Printf("%s leads term %d of %s\n", leader, term, cluster)
}

// verifyLeader returns what an election certificate states.
func verifyLeader(key ed25519.PublicKey, note string) (cluster string, epoch, term int, leader string) {
	text, name := open(key, note)
	found := election.FindStringSubmatch(text)
	if found == nil || found[1] != name {
		refuse("the text is not an election of %s", name)
	}
	return name, number(found[2]), number(found[3]), found[4]
}

// verifyChain returns the voters of each epoch.
func verifyChain(key ed25519.PublicKey, cluster string, answer []byte) map[int]map[string]bool {
	var chain struct {
		Founding    string
		Memberships []struct {
			ByOld string
			ByNew *string
		}
	}
	if err := json.Unmarshal(answer, &chain); err != nil {
		refuse("the chain is not JSON: %v", err)
	}
	start := founding.FindStringSubmatch(chain.Founding)
	if start == nil || start[1] != cluster || len(chain.Memberships) == 0 {
		refuse("the chain has no founding text of %s, or nothing that is signed", cluster)
	}
	epoch, previous := number(start[2]), hash(chain.Founding)
	voters := map[int]map[string]bool{epoch: votersOf(chain.Founding)}
	for at, link := range chain.Memberships {
		old, next := openMembership(key, cluster, link.ByOld, epoch)
		if number(old[2]) != at+1 || old[4] != previous {
			refuse("membership %d does not follow the one before", at+1)
		}
		if next != epoch && next != epoch+1 || (next > epoch) != (link.ByNew != nil) {
			refuse("membership %d lacks a note, or has one too many", at+1)
		}
		previous = hash(strings.TrimSuffix(old[0], old[7]))
		if link.ByNew != nil {
			proof, _ := openMembership(key, cluster, *link.ByNew, next)
			if hash(strings.TrimSuffix(proof[0], proof[7])) != previous {
				refuse("the two notes of membership %d differ", at+1)
			}
		}
		epoch = next
		voters[epoch] = votersOf(old[5])
	}
	return voters
}

// openMembership returns the parts of a membership that the shares of epoch by signed, and its own epoch.
func openMembership(key ed25519.PublicKey, cluster, note string, by int) ([]string, int) {
	text, name := open(key, note)
	found := membership.FindStringSubmatch(text)
	if found == nil || name != cluster || found[1] != cluster || found[6] != hex.EncodeToString(key) {
		refuse("a note is no membership of %s under this key", cluster)
	}
	if number(found[8]) != by {
		refuse("membership %s is not signed by epoch %d", found[2], by)
	}
	return found, number(found[3])
}

// open returns a note's text and who signed it, after checking the signature.
func open(key ed25519.PublicKey, note string) (text, name string) {
	end := strings.LastIndex(note, "\n\n— ")
	if end < 0 {
		refuse("this is no signed note")
	}
	text = note[:end+1]
	line := signatureLine.FindStringSubmatch(note[end+2:])
	if line == nil {
		refuse("the note does not end with one signature line")
	}
	signed, err := base64.StdEncoding.Strict().DecodeString(line[2])
	id := sha256.Sum256(append([]byte(line[1]+"\n\x01"), key...))
	if err != nil || len(signed) != 68 || !bytes.Equal(signed[:4], id[:4]) {
		refuse("the note is signed with another key")
	}
	if !ed25519.Verify(key, []byte(text), signed[4:]) {
		refuse("the signature is not of this text")
	}
	return text, line[1]
}

func votersOf(text string) map[string]bool {
	voters := map[string]bool{}
	for _, line := range strings.Split(text, "\n") {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "voter" {
			voters[words[1]] = true
		}
	}
	return voters
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func number(digits string) int {
	value, err := strconv.Atoi(digits)
	if err != nil {
		refuse("%s is not a number", digits)
	}
	return value
}

func read(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		refuse("%v", err)
	}
	return string(content)
}

func refuse(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "refused: "+format+"\n", values...)
	os.Exit(1)
}
