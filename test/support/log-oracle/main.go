// The oracle of the log's tests: answers in JSON what golang.org/x/mod/sumdb computes of the same entries.
package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Prefix, Suffix string // entry I is Prefix + I + Suffix
	Size           int64
	Roots          []int64
	Inclusion      [][2]int64 // index, size
	Consistency    [][2]int64 // older, newer
	Tiles          [][3]int64 // level, index, width
	Checks         []check
	Notes          []signed
}

type check struct {
	Kind      string // record or tree
	Proof     []string
	Size      int64
	Root      string
	Index     int64
	Other     string // hash of the leaf, or root of the older tree
}

type signed struct{ Note, Vkey string }

type answer struct {
	Roots       []string
	Inclusion   [][]string
	Consistency [][]string
	Tiles       []string
	Checks      []bool
	Notes       []string // the text; empty when refused
}

type hashes []tlog.Hash

func (h hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at >= int64(len(h)) {
			return nil, fmt.Errorf("no hash %d", at)
		}
		out[i] = h[at]
	}
	return out, nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func texts(all []tlog.Hash) []string {
	out := []string{}
	for _, one := range all {
		out = append(out, one.String())
	}
	return out
}

func hash(text string) tlog.Hash {
	one, err := tlog.ParseHash(text)
	must(err)
	return one
}

func main() {
	var ask request
	must(json.NewDecoder(os.Stdin).Decode(&ask))
	var stored hashes
	for i := int64(0); i < ask.Size; i++ {
		more, err := tlog.StoredHashes(i, []byte(fmt.Sprintf("%s%d%s", ask.Prefix, i, ask.Suffix)), stored)
		must(err)
		stored = append(stored, more...)
	}
	var out answer
	for _, size := range ask.Roots {
		root, err := tlog.TreeHash(size, stored)
		must(err)
		out.Roots = append(out.Roots, root.String())
	}
	for _, one := range ask.Inclusion {
		proof, err := tlog.ProveRecord(one[1], one[0], stored)
		must(err)
		out.Inclusion = append(out.Inclusion, texts(proof))
	}
	for _, one := range ask.Consistency {
		proof, err := tlog.ProveTree(one[1], one[0], stored)
		must(err)
		out.Consistency = append(out.Consistency, texts(proof))
	}
	for _, one := range ask.Tiles {
		data, err := tlog.ReadTileData(tlog.Tile{H: 8, L: int(one[0]), N: one[1], W: int(one[2])}, stored)
		must(err)
		out.Tiles = append(out.Tiles, base64.StdEncoding.EncodeToString(data))
	}
	for _, one := range ask.Checks {
		var proof []tlog.Hash
		for _, text := range one.Proof {
			proof = append(proof, hash(text))
		}
		var err error
		if one.Kind == "record" {
			err = tlog.CheckRecord(proof, one.Size, hash(one.Root), one.Index, hash(one.Other))
		} else {
			err = tlog.CheckTree(proof, one.Size, hash(one.Root), one.Index, hash(one.Other))
		}
		out.Checks = append(out.Checks, err == nil)
	}
	for _, one := range ask.Notes {
		verifier, err := note.NewVerifier(one.Vkey)
		must(err)
		opened, err := note.Open([]byte(one.Note), note.VerifierList(verifier))
		if err != nil {
			out.Notes = append(out.Notes, "")
		} else {
			out.Notes = append(out.Notes, opened.Text)
		}
	}
	must(json.NewEncoder(os.Stdout).Encode(out))
}
