// The peer of "log check" in its benchmark: reads a whole log (c2sp.org/tlog-tiles) below a folder, with golang.org/x/mod's verifier.
// Arguments: FOLDER VKEY. Every tile is hashed up to the root of the signed checkpoint, and every entry up to its leaf.
package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// folder reads tiles, and keeps those above the lowest level once they are verified, as a client does.
type folder struct {
	path string
	kept map[tlog.Tile][]byte
}

func (f folder) Height() int { return 8 }

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(tiles))
	for i, tile := range tiles {
		if known, ok := f.kept[tile]; ok {
			out[i] = known
			continue
		}
		data, err := os.ReadFile(filepath.Join(f.path, "tile", strings.TrimPrefix(tile.Path(), "tile/8/")))
		if err != nil {
			return nil, err
		}
		out[i] = data
	}
	return out, nil
}

func (f folder) SaveTiles(tiles []tlog.Tile, data [][]byte) {
	for i, tile := range tiles {
		if tile.L > 0 || tile.W < 256 {
			f.kept[tile] = data[i]
		}
	}
}

func main() {
	began := time.Now()
	verifier, err := note.NewVerifier(os.Args[2])
	must(err)
	signed, err := os.ReadFile(filepath.Join(os.Args[1], "checkpoint"))
	must(err)
	opened, err := note.Open(signed, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := tlog.ParseHash(lines[2])
	must(err)
	tiles := folder{os.Args[1], map[tlog.Tile][]byte{}}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, tiles)
	for first := int64(0); first < size; first += 256 {
		width := size - first
		if width > 256 {
			width = 256
		}
		// Bundles of entries are named as tiles are.
		named := strings.TrimPrefix(tlog.Tile{H: 8, L: 0, N: first / 256, W: int(width)}.Path(), "tile/8/0/")
		bundle, err := os.ReadFile(filepath.Join(os.Args[1], "tile", "entries", named))
		must(err)
		indexes := make([]int64, width)
		for i := range indexes {
			indexes[i] = tlog.StoredHashIndex(0, first+int64(i))
		}
		leaves, err := reader.ReadHashes(indexes)
		must(err)
		for i := range leaves {
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:end]) != leaves[i] {
				must(fmt.Errorf("entry %d is not that of its leaf", first+int64(i)))
			}
			bundle = bundle[end:]
		}
	}
	var usage syscall.Rusage
	must(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	must(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"entries": size,
		"seconds": time.Since(began).Seconds(),
		"cpu":     float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9,
		"rssMiB":  float64(usage.Maxrss) / 1024,
	}))
}
