// Checks a log of ours with Go's own code for transparency logs (golang.org/x/mod/sumdb).
//
//	check FOLDER VKEY OLDER PROOF
//
// FOLDER is the log's, OLDER a checkpoint that it published before, PROOF a tlog-proof under its newest one. The
// signatures of both checkpoints must hold, every tile that Go reads must lead to the root, every entry must be
// included, the newest tree must go on from the older one, and the proof must be the one that Go makes. It says how
// many entries that were, or what is wrong.
package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

type folder string

func (f folder) Height() int { return height }

func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

// Go puts the height into the path, C2SP does not.
func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := strings.Replace(tile.Path(), fmt.Sprintf("tile/%d/", height), "tile/", 1)
		var err error
		if data[i], err = os.ReadFile(filepath.Join(string(f), path)); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (f folder) entries(size int64) ([][]byte, error) {
	var found [][]byte
	for at := int64(0); at < size; at += 1 << height {
		width := size - at
		if width > 1<<height {
			width = 1 << height
		}
		path := tlog.Tile{H: height, L: 0, N: at >> height, W: int(width)}.Path()
		path = strings.Replace(path, fmt.Sprintf("tile/%d/0/", height), "tile/entries/", 1)
		data, err := os.ReadFile(filepath.Join(string(f), path))
		if err != nil {
			return nil, err
		}
		for len(data) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(data))
			found, data = append(found, data[2:end]), data[end:]
		}
	}
	if int64(len(found)) != size {
		return nil, fmt.Errorf("%d entries, not %d", len(found), size)
	}
	return found, nil
}

// The tree of a checkpoint whose signature holds.
func open(path string, verifier note.Verifier) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	return openData(data, verifier)
}

func openData(data []byte, verifier note.Verifier) (tlog.Tree, error) {
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	origin, rest, _ := strings.Cut(opened.Text, "\n")
	if origin != verifier.Name() {
		return tlog.Tree{}, fmt.Errorf("the origin is %q", origin)
	}
	return tlog.ParseTree([]byte("go.sum database tree\n" + rest))
}

func check(log folder, vkey, olderPath, proofPath string) (int64, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return 0, err
	}
	tree, err := open(filepath.Join(string(log), "checkpoint"), verifier)
	if err != nil {
		return 0, err
	}
	older, err := open(olderPath, verifier)
	if err != nil {
		return 0, err
	}
	entries, err := log.entries(tree.N)
	if err != nil {
		return 0, err
	}
	reader := tlog.TileHashReader(tree, log)
	for i, entry := range entries {
		proof, err := tlog.ProveRecord(tree.N, int64(i), reader)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckRecord(proof, tree.N, tree.Hash, int64(i), tlog.RecordHash(entry)); err != nil {
			return 0, fmt.Errorf("entry %d: %w", i, err)
		}
	}
	consistent, err := tlog.ProveTree(tree.N, older.N, reader)
	if err != nil {
		return 0, err
	}
	if err := tlog.CheckTree(consistent, tree.N, tree.Hash, older.N, older.Hash); err != nil {
		return 0, fmt.Errorf("from %d to %d: %w", older.N, tree.N, err)
	}
	return tree.N, checkProof(proofPath, verifier, entries, reader)
}

// The proof that is handed on: its checkpoint, and its path as Go makes it.
func checkProof(path string, verifier note.Verifier, entries [][]byte, reader tlog.HashReader) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, checkpoint, _ := bytes.Cut(data, []byte("\n\n"))
	tree, err := openData(checkpoint, verifier)
	if err != nil {
		return err
	}
	lines := strings.Split(string(head), "\n")
	var index int64
	if _, err := fmt.Sscanf(lines[1], "index %d", &index); err != nil || lines[0] != "c2sp.org/tlog-proof@v1" {
		return fmt.Errorf("the proof begins with %q", lines[:2])
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, hash)
	}
	if err := tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entries[index])); err != nil {
		return fmt.Errorf("the proof of entry %d: %w", index, err)
	}
	own, err := tlog.ProveRecord(tree.N, index, reader)
	if err != nil {
		return err
	}
	if fmt.Sprint(own) != fmt.Sprint(proof) {
		return fmt.Errorf("the proof of entry %d is another than Go's", index)
	}
	return nil
}

func main() {
	count, err := check(folder(os.Args[1]), os.Args[2], os.Args[3], os.Args[4])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(count)
}
