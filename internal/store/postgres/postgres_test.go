package postgres

import (
	"context"
	"flag"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"tongqu/internal/store"
	"tongqu/internal/store/postgres/pgtest"
	"tongqu/internal/store/storetest"
)

func TestMain(m *testing.M) {
	// A store of its own for each of a property's runs costs half a second here.
	// -rapid.checks has the last word.
	if err := flag.Set("rapid.checks", "30"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// TestPostgres is all that is proven of the store on one server.
func TestPostgres(t *testing.T) {
	server := pgtest.Start(t)
	for name, run := range map[string]func(t *testing.T, server *pgtest.Server){
		"hubs that start at once":    startAtOnce,
		"two hubs":                   twoHubs,
		"leases":                     leases,
		"a hub that hangs":           hanging,
		"telling":                    telling,
		"rewinding":                  rewinding,
		"unanswered commits":         unanswered,
		"dropping months":            dropping,
		"months without a partition": withoutPartition,
		"any text":                   anyText,
		"plans":                      plans,
	} {
		t.Run(name, func(t *testing.T) { run(t, server) })
	}
	t.Run("outages", outages)
	t.Run("attending", attending)
	t.Run("suite", func(t *testing.T) { storetest.Run(t, opener(server)) })
}

func testLog(tb testing.TB) *zap.Logger {
	tb.Helper()
	return zaptest.NewLogger(tb, zaptest.Level(zap.ErrorLevel))
}

// opener gives every place a schema of its own.
func opener(server *pgtest.Server) storetest.Opener {
	addresses := map[string]string{}
	return func(tb testing.TB, place string) store.Store {
		tb.Helper()
		place = filepath.Clean(place)
		if _, ok := addresses[place]; !ok {
			addresses[place] = server.NewSchema(tb)
		}
		return openAt(tb, addresses[place])
	}
}

func openAt(tb testing.TB, address string) *Store {
	tb.Helper()
	s, err := Open(context.WithoutCancel(tb.Context()), address, testLog(tb))
	require.NoError(tb, err)
	return s
}

// withoutPartition records a document of the far future, as a hub with a wrong clock
// does, and lets its month come.
func withoutPartition(t *testing.T, server *pgtest.Server) {
	t.Helper()
	s := openHubs(t, server, 1)[0]
	later := time.Now().AddDate(1, 0, 0)
	e := madeAt(t, storetest.NewEntry("customs", 1), later)
	require.NoError(t, s.Record(t.Context(), e))
	require.NoError(t, s.ensureMonths(t.Context(), later), "the other months get theirs")
	there, err := s.hasMonth(t.Context(), s.pool, monthOf(later).add(1))
	require.NoError(t, err)
	require.True(t, there)
	next := madeAt(t, storetest.NewEntry("customs", 2), later)
	require.NoError(t, s.Record(t.Context(), next))
	for _, e := range []*store.Entry{e, next} {
		d, err := s.Document(t.Context(), e.Document.ID)
		require.NoError(t, err)
		require.Equal(t, e.Document, d)
		page, err := s.Records(t.Context(), store.Query{Key: e.Records[0].Keys[0]})
		require.NoError(t, err)
		require.Equal(t, e.Records, page.Items)
	}
}

// anyText records what PostgreSQL takes in no text.
func anyText(t *testing.T, server *pgtest.Server) {
	t.Helper()
	s := openHubs(t, server, 1)[0]
	e := storetest.NewEntry("customs", 1)
	e.Document.Name = "\xb6\xa9\xb5\xa5\x00.xml"
	require.NoError(t, s.Record(t.Context(), e))
	d, err := s.Document(t.Context(), e.Document.ID)
	require.NoError(t, err)
	require.Equal(t, "\uFFFD\uFFFD.xml", d.Name)
	require.NoError(t, s.SaveDeliveries(t.Context(), []store.Delivery{
		{Subscription: "tax", RecordID: e.Records[0].ID, Status: store.DeliveryParked, Detail: "\x00", At: storetest.Start},
	}))
	for _, q := range []store.Query{{Agency: "\xff"}, {Type: "\x00"}, {Type: `\`}, {Type: "%"}} {
		page, err := s.Records(t.Context(), q)
		require.NoError(t, err)
		require.Empty(t, page.Items)
	}
}

// plans checks that lookups use an index.
func plans(t *testing.T, server *pgtest.Server) {
	t.Helper()
	s := openHubs(t, server, 1)[0]
	conn, err := s.pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()
	_, err = conn.Exec(t.Context(), "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
	require.NoError(t, err)
	for name, query := range map[string]string{
		"originals": originalsSQL, "document by id": documentAndBodySQL, "document at": documentAtSQL,
		"unpublished": unpublishedSQL, "published at": publishedAtSQL, "settled": settledSQL,
		"known deliveries": knownDeliveriesSQL, "deliveries": deliveriesAllSQL, "parked": deliveriesParkedSQL, "of record": ofRecordSQL,
		"first since": firstSinceSQL, "last published": lastPublishedSQL, "of key": ofKeyDownSQL, "spans": spansUpSQL, "in span": inSpanDownSQL,
	} {
		_, err := conn.Conn().PgConn().Exec(t.Context(), "PREPARE q AS "+query).ReadAll()
		require.NoError(t, err, name)
		var parameters int
		require.NoError(t, conn.QueryRow(t.Context(), "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'q'").Scan(&parameters))
		call := "q"
		if parameters > 0 {
			call += "(NULL" + strings.Repeat(", NULL", parameters-1) + ")"
		}
		rows, err := conn.Query(t.Context(), "EXPLAIN EXECUTE "+call, pgx.QueryExecModeSimpleProtocol)
		require.NoError(t, err)
		plan, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, step := range plan {
			require.NotRegexp(t, `Seq Scan on (documents|keys|deliveries|originals|published)`, step, "%s\n%s", name, strings.Join(plan, "\n"))
		}
		_, err = conn.Exec(t.Context(), "DEALLOCATE q")
		require.NoError(t, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for address, want := range map[string]string{
		"postgres://hub:s3cret@127.0.0.1:x/hub":  "reading the store's address",
		"postgres://hub:s3cret@127.0.0.1:1/hub":  "opening the store at 127.0.0.1:1/hub",
		"postgres://hub:s3cret@/hub?host=/no/pg": "opening the store at /no/pg:5432/hub",
	} {
		_, err := Open(t.Context(), address, zap.NewNop())
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "s3cret")
	}
}
