package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/zap"

	"tongqu/internal/record"
	"tongqu/internal/store"
	"tongqu/internal/store/pack"
)

// incoming is an entry made ready for the lane: everything that does not depend on
// what is stored is done in the caller's goroutine.
type incoming struct {
	entry      *store.Entry // not changed before the lane is done
	id         uuid.UUID
	month      month
	original   uuid.UUID // the hash of agency and bytes
	types      string
	keys       []key
	identities []uuid.UUID // the records' identity hashes; zero without identity or version
	content    []byte
	body       []byte
	dictionary *pack.Dictionary // of content and body

	// What the lane decided; no is the document's number.
	no       int64
	recorded time.Time
	document store.Document
	verdicts []pack.Verdict
}

// key is the hash of a business key, and the record's place in the document.
type key struct {
	hash  int64
	place int
}

// Record implements store.Recorder. The id of the document must be a UUID of
// version 7. Once the lane has begun with e, Record waits for the end even if ctx
// ends. When the server goes away in the middle of a commit, Record waits for it to
// come back and say what became of e; should that take longer than half a minute,
// the error says that it is not known. Sending the document again does no harm
// then: if it was kept, it is a duplicate. The agency and time of a record are
// those of its document.
func (s *Store) Record(ctx context.Context, e *store.Entry) error {
	in, err := s.prepare(e)
	if err != nil {
		return fmt.Errorf("%w: %w", store.ErrUnavailable, err)
	}
	if err := s.recording.do(ctx, in, len(in.body)+len(in.content)+512); err != nil {
		return err
	}
	pack.Fill(e, in.no, &in.document, in.verdicts)
	return nil
}

// prepare checks, hashes and compresses.
func (s *Store) prepare(e *store.Entry) (*incoming, error) {
	id, err := pack.Check(e)
	if err != nil {
		return nil, err
	}
	if id.Version() != 7 {
		return nil, fmt.Errorf("document id %s is not of version 7", id)
	}
	d := &e.Document
	in := &incoming{
		entry: e, id: id, month: monthOfID(id), original: hash("document", d.Agency, string(d.SHA256[:])),
		identities: make([]uuid.UUID, len(e.Records)), verdicts: make([]pack.Verdict, len(e.Records)),
	}
	size := 0
	for i := range e.Records {
		r := &e.Records[i]
		size += len(r.Body) + len(r.Errors) + 256
		if t := " " + r.Type + " "; !strings.Contains(in.types, t) {
			in.types += t
		}
		for k := range r.Keys {
			if !slices.Contains(r.Keys[:k], r.Keys[k]) {
				in.keys = append(in.keys, key{keyHash(r.Keys[k]), i})
			}
		}
		identity, ok := r.Identity()
		if _, versioned := pack.Version(r); ok && versioned {
			in.identities[i] = hash("identity", record.Family(r.Type), identity.Name, identity.Value)
		}
	}
	in.dictionary = s.codec.Dictionary(pack.Kind(d))
	in.content = in.dictionary.Pack(pack.AppendRecords(make([]byte, 0, size), e.Records))
	in.body = in.dictionary.Pack(d.Body)
	return in, nil
}

func keyHash(k record.Key) int64 {
	h := hash("key", k.Name, k.Value)
	return int64(binary.BigEndian.Uint64(h[:8])) //nolint:gosec // bits
}

// hash is the first half of the SHA-256 of the parts, each after its length.
func hash(parts ...string) uuid.UUID {
	var room [256]byte
	b := room[:0]
	for _, p := range parts {
		b = pack.AppendBytes(b, p)
	}
	sum := sha256.Sum256(b)
	return uuid.UUID(sum[:16])
}

// groupSettled makes what is now on disk true in memory.
func (s *Store) groupSettled(ctx context.Context, group []*incoming) {
	accepted, learned := false, false
	for _, in := range group {
		if in == nil || in.document.Accepted == 0 {
			continue
		}
		accepted = true
		if kind := pack.Kind(&in.entry.Document); kind != "" && in.dictionary == nil && s.codec.Dictionary(kind) == nil {
			learned = true
		}
	}
	if learned {
		if err := s.loadDictionaries(ctx); err != nil {
			s.log.Warn("reading the dictionaries", zap.Error(err))
		}
	}
	if accepted {
		signal(s.recorded)
	}
}

// groupKept asks whether the documents of a group are there. It waits for its turn
// first: then the transaction that is asked for has ended.
func (s *Store) groupKept(ctx context.Context, group []*incoming) (kept bool, err error) {
	i := slices.IndexFunc(group, func(in *incoming) bool { return in != nil })
	if i < 0 {
		return false, nil
	}
	err = s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		b := s.begin(lockRecording)
		b.Queue("SELECT EXISTS (SELECT FROM documents WHERE id = $1 AND no = $2)", group[i].id, group[i].no).QueryRow(row1(&kept))
		b.Queue("COMMIT")
		return conn.Conn().SendBatch(ctx, b).Close()
	})
	return kept, err
}
