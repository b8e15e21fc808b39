// check_proof: another's code over ours. Go's own note and tlog packages open a signed checkpoint and check proofs.
//
//	go run check_proof.go VKEY INDEX LEAF-HEX OLD-SIZE OLD-ROOT-HEX < INPUT
//
// INPUT is the proof of inclusion and that of consistency, each a line of hashes in hex with a space between them, and
// then the note.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	if err := check(os.Args[1:], bufio.NewReader(os.Stdin)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("right")
}

func check(args []string, input *bufio.Reader) error {
	inclusion, err := hashes(input)
	if err != nil {
		return err
	}
	consistency, err := hashes(input)
	if err != nil {
		return err
	}
	whole, err := io.ReadAll(input)
	if err != nil {
		return err
	}
	size, root, err := opened(args[0], whole)
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(args[1], 10, 64)
	if err != nil {
		return err
	}
	leaf, err := hash(args[2])
	if err != nil {
		return err
	}
	if err := tlog.CheckRecord(inclusion, size, root, index, leaf); err != nil {
		return fmt.Errorf("inclusion: %w", err)
	}
	oldSize, err := strconv.ParseInt(args[3], 10, 64)
	if err != nil {
		return err
	}
	oldRoot, err := hash(args[4])
	if err != nil {
		return err
	}
	if err := tlog.CheckTree(consistency, size, root, oldSize, oldRoot); err != nil {
		return fmt.Errorf("consistency: %w", err)
	}
	return nil
}

// opened gives size and root of a checkpoint that a key has signed.
func opened(vkey string, whole []byte) (int64, tlog.Hash, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	found, err := note.Open(whole, note.VerifierList(verifier))
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	lines := strings.Split(found.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		return 0, tlog.Hash{}, fmt.Errorf("not a checkpoint: %q", found.Text)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	raw, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil {
		return 0, tlog.Hash{}, err
	}
	root, err := hash(hex.EncodeToString(raw))
	return size, root, err
}

func hashes(input *bufio.Reader) ([]tlog.Hash, error) {
	line, err := input.ReadString('\n')
	if err != nil {
		return nil, err
	}
	var found []tlog.Hash
	for _, word := range strings.Fields(line) {
		one, err := hash(word)
		if err != nil {
			return nil, err
		}
		found = append(found, one)
	}
	return found, nil
}

func hash(text string) (tlog.Hash, error) {
	var found tlog.Hash
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(found) {
		return found, fmt.Errorf("%q is not a hash", text)
	}
	copy(found[:], raw)
	return found, nil
}
