// Asks torchwood's library about checkpoints, proofs and a whole log, under a policy.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"
)

type request struct {
	Policy string   // the file's text
	Log    string   // folder of a log; empty for none
	Proofs [][]byte // each names its entry as extra data
}

type answer struct {
	Log     string // what is wrong with it; empty when it is good
	Entries [][]byte
	Proofs  []string // what is wrong; empty for a good one
}

func main() {
	var ask request
	var out answer
	if err := json.NewDecoder(os.Stdin).Decode(&ask); err != nil {
		panic(err)
	}
	policy, err := torchwood.ParsePolicy([]byte(ask.Policy))
	if err != nil {
		panic(err)
	}
	if ask.Log != "" {
		out.Entries, err = entries(ask.Log, policy)
		out.Log = text(err)
	}
	for _, proof := range ask.Proofs {
		entry, err := torchwood.ProofExtraData(proof)
		if err == nil {
			err = torchwood.VerifyProof(policy, tlog.RecordHash(entry), proof)
		}
		out.Proofs = append(out.Proofs, text(err))
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprint("refused: ", err)
}

// entries returns those of a log whose checkpoint fulfils the policy, and whose tiles lead to its root.
func entries(folder string, policy torchwood.Policy) ([][]byte, error) {
	signed, err := os.ReadFile(folder + "/checkpoint")
	if err != nil {
		return nil, err
	}
	checkpoint, _, err := torchwood.VerifyCheckpoint(signed, policy)
	if err != nil {
		return nil, err
	}
	tiles, err := torchwood.NewTileFS(os.DirFS(folder))
	if err != nil {
		return nil, err
	}
	client, err := torchwood.NewClient(tiles)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, entry := range client.AllEntries(context.Background(), checkpoint.Tree, 0) {
		all = append(all, entry)
	}
	return all, client.Err()
}
