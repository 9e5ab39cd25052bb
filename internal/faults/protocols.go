package faults

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// Protocol makes what tells the messages of a protocol apart on one connection.
type Protocol func() splitter

// splitter cuts the bytes of a connection into frames. What is not complete yet
// waits for the rest.
type splitter interface {
	split(side Side, chunk []byte) []Frame
}

// halves holds the bytes that wait, by side.
type halves map[Side][]byte

func (h halves) add(side Side, chunk []byte) []byte {
	h[side] = append(h[side], chunk...)
	return h[side]
}

// HTTP takes every piece of bytes for a frame; What is the method.
func HTTP() splitter { return &httpSplitter{} }

type httpSplitter struct{ method string }

func (s *httpSplitter) split(side Side, chunk []byte) []Frame {
	if side == Request {
		if method, _, ok := bytes.Cut(chunk, []byte(" ")); ok && len(method) < 8 {
			s.method = string(method)
		}
	}
	return []Frame{{Side: side, What: s.method, bytes: bytes.Clone(chunk)}}
}

// The APIs of Kafka's protocol that are told apart, by their keys.
const (
	Produce      = "Produce"
	OffsetCommit = "OffsetCommit"
)

var apis = map[uint16]string{0: Produce, 8: OffsetCommit}

// Kafka tells requests and their answers by API.
func Kafka() splitter { return &kafkaSplitter{halves: halves{}, asked: map[uint32]string{}} }

type kafkaSplitter struct {
	halves
	asked map[uint32]string // by correlation id
}

func (s *kafkaSplitter) split(side Side, chunk []byte) []Frame {
	var frames []Frame
	b := s.add(side, chunk)
	head := 8 // size and correlation id
	if side == Request {
		head = 12 // size, API key, its version, correlation id
	}
	for len(b) >= head {
		size := 4 + int(binary.BigEndian.Uint32(b))
		if len(b) < size {
			break
		}
		f := Frame{Side: side, bytes: slices.Clone(b[:size])}
		if side == Request {
			f.What = apis[binary.BigEndian.Uint16(b[4:])]
			s.asked[binary.BigEndian.Uint32(b[8:])] = f.What
		} else {
			id := binary.BigEndian.Uint32(b[4:])
			f.What = s.asked[id]
			delete(s.asked, id)
		}
		frames, b = append(frames, f), b[size:]
	}
	s.halves[side] = slices.Clone(b)
	return frames
}

// CopyData is a piece of a COPY's data (PostgreSQL).
const CopyData = "CopyData"

// Postgres tells statements and command tags apart, and which of them belong to
// one transaction. Connections must not be encrypted.
func Postgres() splitter {
	return &postgresSplitter{halves: halves{}, prepared: map[string]string{}}
}

type postgresSplitter struct {
	halves
	started  bool
	prepared map[string]string // name → statement
	within   []string
}

func (s *postgresSplitter) split(side Side, chunk []byte) []Frame {
	var frames []Frame
	b := s.add(side, chunk)
	for {
		head := 1 // the message's type
		if side == Request && !s.started {
			head = 0
		}
		if len(b) < head+4 {
			break
		}
		size := head + int(binary.BigEndian.Uint32(b[head:]))
		if len(b) < size {
			break
		}
		f := Frame{Side: side, bytes: slices.Clone(b[:size])}
		if head == 0 {
			s.started = true
		} else {
			s.read(&f, b[0], b[head+4:size])
		}
		frames, b = append(frames, f), b[size:]
	}
	s.halves[side] = slices.Clone(b)
	return frames
}

// read says what a message is (PostgreSQL documentation, "Message Formats").
func (s *postgresSplitter) read(f *Frame, kind byte, body []byte) {
	switch {
	case f.Side == Request && kind == 'P': // Parse: a name and a statement
		name, rest, _ := bytes.Cut(body, []byte{0})
		statement, _, _ := bytes.Cut(rest, []byte{0})
		s.prepared[string(name)] = string(statement)
		return
	case f.Side == Request && kind == 'B': // Bind: a portal and a statement's name
		_, rest, _ := bytes.Cut(body, []byte{0})
		name, _, _ := bytes.Cut(rest, []byte{0})
		f.What = s.prepared[string(name)]
	case f.Side == Request && kind == 'Q':
		f.What = string(bytes.TrimRight(body, "\x00"))
	case f.Side == Request && kind == 'd':
		f.What = CopyData
		f.Within = s.within
		return
	case f.Side == Answer && kind == 'C': // CommandComplete
		f.What = string(bytes.TrimRight(body, "\x00"))
		f.Within = s.within
		return
	default:
		return
	}
	if strings.EqualFold(f.What, "begin") {
		s.within = nil
	}
	s.within = append(s.within, f.What)
	f.Within = s.within
}

// ends reports whether the frame is the end, or its answer, of a transaction one of
// whose statements contains text.
func (f *Frame) ends(text string) bool { return strings.EqualFold(f.What, "commit") && f.has(text) }

// has reports whether one of the transaction's statements contains text.
func (f *Frame) has(text string) bool {
	return slices.ContainsFunc(f.Within, func(s string) bool { return strings.Contains(s, text) })
}
