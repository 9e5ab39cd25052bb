package intake

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"tongqu"
	"tongqu/internal/directory"
	"tongqu/internal/fault"
	"tongqu/internal/mailbox"
	"tongqu/internal/store"
)

// newBank is a rig whose agency may provide foreign exchange declarations: SAFE
// has them in batches.
func newBank(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	files := fstest.MapFS{"agencies/bank.yaml": {Data: []byte("code: bank\ntitle: {zh: 测试银行, en: Test bank}\nkind: bank\ntokens: [{id: t, sha256: " +
		directory.HashToken(token) + "}]\nprovides: [304001/000001, 304001/000002, 304002/000001]\n")}}
	names, err := fs.Glob(tongqu.Files, "config/directory/*.yaml")
	require.NoError(t, err)
	for _, name := range names {
		data, err := fs.ReadFile(tongqu.Files, name)
		require.NoError(t, err)
		files["directory/"+filepath.Base(name)] = &fstest.MapFile{Data: data}
	}
	d, err := directory.Load(files)
	require.NoError(t, err)
	r.Use(r.rules.Load().registry, d)
	r.agency, _ = d.Agency("bank")
	return r
}

const (
	controlName = "BOPT44010001020126030801.XML"
	dataA       = "BOPA44010001020126030801.XML"
	dataA2      = "BOPA44010001020126030802.XML"
)

func control(count int, names ...string) []byte {
	return fmt.Appendf(nil, "<MSG><APPTYPE>BOP</APPTYPE><CURRENTFILE>BOPT</CURRENTFILE><INOUT>IN</INOUT><TOTALFILES>%d</TOTALFILES>\n<FILES><FILENAME>%s</FILENAME></FILES></MSG>",
		count, strings.Join(names, "</FILENAME>\n<FILENAME>"))
}

// data is a BOPA file that says it has total records and has those of the serials.
func data(total int, serials ...string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "<MSG><APPTYPE>BOP</APPTYPE><CURRENTFILE>BOPA</CURRENTFILE><INOUT>IN</INOUT><TOTALRECORDS>%d</TOTALRECORDS><RECORDS>\n", total)
	for _, s := range serials {
		fmt.Fprintf(&b, "<REC><ACTIONTYPE>A</ACTIONTYPE><RPTNO>440100010201260308%s</RPTNO><CUSTYPE>C</CUSTYPE><CUSTCOD>MA9TQ0044</CUSTCOD><CUSTNM>广州测试进出口有限公司</CUSTNM>"+
			"<OPPUSER>(JW)EXAMPLE TRADING LTD</OPPUSER><TXCCY>USD</TXCCY><TXAMT>125000</TXAMT><FCYAMT>125000</FCYAMT><FCYACC>FC4401000001</FCYACC><METHOD>T</METHOD><BUSCODE>IR1</BUSCODE></REC>\n", s)
	}
	b.WriteString("</RECORDS></MSG>")
	return []byte(b.String())
}

type named struct {
	name string
	data []byte
}

func zipOf(t *testing.T, files ...named) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		e, err := w.Create(f.name)
		require.NoError(t, err)
		_, err = e.Write(f.data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return b.Bytes()
}

// batchAnswer is what the HTTP door says of a zip.
type batchAnswer struct {
	DocumentID                     string
	Accepted, Rejected, Duplicates int
	Documents                      []struct {
		Name    string
		Status  int
		Message string
		Records []struct{ Status string }
		Errors  fault.List
	}
}

func (r *rig) post(t *testing.T, body []byte) (int, batchAnswer) {
	t.Helper()
	door := NewHTTP(r.Intake, HTTPSettings{MaxBytes: 1 << 20, MaxInFlightBytes: 1 << 22})
	req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/documents", bytes.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/zip")
	w := httptest.NewRecorder()
	door.ServeHTTP(w, req)
	var a batchAnswer
	// at 400 and above the problem has a status of its own, which is a number as well
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &a), w.Body.String())
	return w.Code, a
}

func TestBatchOverHTTP(t *testing.T) {
	r := newBank(t)
	good := []named{{"BOPT44010001020126030801/" + dataA, data(2, "N001", "N002")}, {"BOPT44010001020126030801/" + controlName, control(2, dataA, dataA2)}, {"BOPT44010001020126030801/" + dataA2, data(1, "N003")}}
	status, a := r.post(t, zipOf(t, good...))
	require.Equal(t, http.StatusAccepted, status, a)
	require.NotEmpty(t, a.DocumentID)
	require.Equal(t, 3, a.Accepted)
	require.Equal(t, []string{controlName, dataA, dataA2}, []string{a.Documents[0].Name, a.Documents[1].Name, a.Documents[2].Name})
	require.Equal(t, http.StatusAccepted, a.Documents[0].Status)
	require.Len(t, a.Documents[1].Records, 2)
	require.Equal(t, store.Counts{Received: 1, Accepted: 1}, r.balance(t).Documents, "one document of the store: all or nothing")

	// The same files in another order and another zip are the same batch.
	status, a = r.post(t, zipOf(t, good[2], good[0], good[1]))
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, 3, a.Duplicates)
	require.Equal(t, store.Counts{Received: 2, Accepted: 1, Duplicates: 1}, r.balance(t).Documents)

	kept, err := r.store.Document(t.Context(), a.DocumentID)
	require.NoError(t, err)
	require.NotEmpty(t, kept.DuplicateOf)
	kept, err = r.store.Document(t.Context(), kept.DuplicateOf)
	require.NoError(t, err)
	archive, err := zip.NewReader(bytes.NewReader(kept.Body), int64(len(kept.Body)))
	require.NoError(t, err)
	require.Len(t, archive.File, 3)
	first, err := unzip(archive.File[0])
	require.NoError(t, err)
	require.Equal(t, data(2, "N001", "N002"), first, "each file as it came")
}

func TestBatchRefused(t *testing.T) {
	r := newBank(t)
	for name, c := range map[string]struct {
		files []named
		want  []string // CODE path value
	}{
		"missing":      {[]named{{controlName, control(2, dataA, dataA2)}, {dataA, data(1, "N001")}}, []string{"BATCH_MISSING /" + controlName + "/MSG/FILES/FILENAME[2] " + dataA2}},
		"unnamed":      {[]named{{controlName, control(1, dataA)}, {dataA, data(1, "N001")}, {dataA2, data(1, "N002")}}, []string{"BATCH_UNNAMED /" + dataA2 + " " + dataA2}},
		"count":        {[]named{{controlName, control(3, dataA)}, {dataA, data(1, "N001")}}, []string{"BATCH_COUNT /" + controlName + "/MSG/TOTALFILES 3"}},
		"no control":   {[]named{{dataA, data(1, "N001")}}, []string{"BATCH_CONTROL / "}},
		"two controls": {[]named{{controlName, control(1, dataA)}, {"BOPT44010001020126030802.XML", control(1, dataA)}, {dataA, data(1, "N001")}}, []string{"BATCH_CONTROL / ", "BATCH_UNNAMED /BOPT44010001020126030802.XML BOPT44010001020126030802.XML", "BATCH_UNNAMED /" + controlName + " " + controlName}},
		"letter":       {[]named{{controlName, control(1, "BOPB44010001020126030801.XML")}, {"BOPB44010001020126030801.XML", data(1, "N001")}}, []string{"BATCH_NAME /BOPB44010001020126030801.XML/MSG/CURRENTFILE BOPA"}},
		"date":         {[]named{{controlName, control(1, "BOPA44010001020126030901.XML")}, {"BOPA44010001020126030901.XML", data(1, "N001")}}, []string{"BATCH_NAME /BOPA44010001020126030901.XML 260309"}},
		"institution":  {[]named{{controlName, control(1, "BOPA44010001029926030801.XML")}, {"BOPA44010001029926030801.XML", data(1, "N001")}}, []string{"BATCH_NAME /BOPA44010001029926030801.XML 440100010299"}},
		"truncated":    {[]named{{controlName, control(2, dataA, dataA2)}, {dataA, data(1, "N001")}, {dataA2, data(1, "N002")[:200]}}, []string{"XML_TRUNCATED"}},
		"everything": {[]named{{controlName, control(5, dataA, dataA2)}, {dataA, data(1, "N001")}, {"note.txt", []byte("hello")}}, []string{
			"BATCH_COUNT /" + controlName + "/MSG/TOTALFILES 5", "BATCH_MISSING /" + controlName + "/MSG/FILES/FILENAME[2] " + dataA2, "BATCH_UNNAMED /note.txt note.txt", "DOCUMENT_NOT_READABLE",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.balance(t).Documents.Rejected
			status, a := r.post(t, zipOf(t, c.files...))
			require.Equal(t, http.StatusUnprocessableEntity, status)
			require.Zero(t, a.Accepted)
			require.Len(t, a.Documents, len(c.files))
			var got []string
			for _, f := range a.Documents[0].Errors {
				require.NotEmpty(t, f.ZH)
				got = append(got, string(f.Code)+" "+f.Path+" "+f.Value)
			}
			for _, want := range c.want {
				require.Condition(t, func() bool {
					for _, g := range got {
						if strings.HasPrefix(g, want) {
							return true
						}
					}
					return false
				}, "%s in %v", want, got)
			}
			for _, d := range a.Documents {
				require.NotEmpty(t, d.Errors, "each file is answered with the reason")
			}
			b := r.balance(t)
			require.Equal(t, before+1, b.Documents.Rejected, "kept, all of it")
			require.Zero(t, b.Records.Accepted)
		})
	}
}

// TestBatchTotals refuses a batch when a file does not hold the records it says.
func TestBatchTotals(t *testing.T) {
	r := newBank(t)
	status, a := r.post(t, zipOf(t, named{controlName, control(2, dataA, dataA2)}, named{dataA, data(1, "N001")}, named{dataA2, data(7, "N002")}))
	require.Equal(t, http.StatusUnprocessableEntity, status, a)
	require.Contains(t, fmt.Sprint(a.Documents[0].Errors), "/"+dataA2+"/MSG/TOTALRECORDS")
	require.Zero(t, r.balance(t).Records.Accepted)
}

// A record that is wrong by itself is refused by itself.
func TestBatchRecordFault(t *testing.T) {
	r := newBank(t)
	bad := bytes.Replace(data(2, "N001", "N002"), []byte("<TXCCY>USD"), []byte("<TXCCY>us"), 1)
	status, a := r.post(t, zipOf(t, named{controlName, control(1, dataA)}, named{dataA, bad}))
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, []int{1, 1}, []int{a.Accepted, a.Rejected})
}

func TestBatchFileAlone(t *testing.T) {
	r := newBank(t)
	for _, doc := range [][]byte{data(1, "N001"), control(1, dataA)} {
		out, err := r.Receive(t.Context(), Inbound{Agency: r.agency, Door: "http", Body: doc})
		require.NoError(t, err)
		require.Equal(t, "rejected", out.Status)
		require.Equal(t, fault.BatchAlone, out.Errors[len(out.Errors)-1].Code)
	}
}

func newBankDoor(t *testing.T) (d *door, clock *time.Duration) {
	t.Helper()
	r := newBank(t)
	var late time.Duration
	r.clock = func() time.Time { return time.Now().Add(late) }
	f, err := NewFiles(r.Intake, r.agency, filepath.Join(t.TempDir(), "bank"), time.Millisecond, 1<<20)
	require.NoError(t, err)
	return &door{r, f}, &late
}

// TestBatchFiles puts the files of a batch into OutBox one after the other.
func TestBatchFiles(t *testing.T) {
	d, _ := newBankDoor(t)
	d.put(t, dataA, data(1, "N001"))
	d.put(t, "other.xml", d.order(t, "OTH", 1))
	d.looks(t)
	require.Equal(t, []string{dataA}, d.names(t, mailbox.OutBox), "waits; what is no batch does not")
	require.InDelta(t, 1, testutil.ToFloat64(d.metrics.waiting.WithLabelValues("bank")), 0)
	page, err := os.ReadFile(d.box.Path("", waitingFile))
	require.NoError(t, err)
	require.Contains(t, string(page), `"Control"`)
	d.put(t, controlName, control(2, dataA, dataA2))
	d.looks(t)
	page, err = os.ReadFile(d.box.Path("", waitingFile))
	require.NoError(t, err)
	require.Contains(t, string(page), dataA2)
	require.Equal(t, 2, strings.Count(string(page), `"since"`))
	d.put(t, dataA2, data(1, "N002"))
	d.looks(t)
	require.Empty(t, d.names(t, mailbox.OutBox))
	require.NoFileExists(t, d.box.Path("", waitingFile))
	require.Equal(t, []string{controlName, dataA, dataA2}[1:], d.names(t, mailbox.SentBox+"/BOPT44010001020126030801")[:2])
	require.EqualValues(t, 2, d.balance(t).Records.Accepted)
	answered := strings.Join(d.names(t, mailbox.InBox), " ")
	for _, stem := range []string{"Successed_BOPT", "Successed_BOPA44010001020126030801", "Successed_BOPA44010001020126030802"} {
		require.Contains(t, answered, stem)
	}
}

// TestBatchWaitsNotForEver refuses what is not whole after the time, and keeps it.
func TestBatchWaitsNotForEver(t *testing.T) {
	d, late := newBankDoor(t)
	d.put(t, controlName, control(2, dataA, dataA2))
	d.put(t, dataA, data(1, "N001"))
	d.put(t, "BOPA44010001020126031001.XML", data(1, "N009"))
	d.looks(t)
	require.Len(t, d.names(t, mailbox.OutBox), 3)
	*late = 31 * time.Minute
	d.looks(t)
	require.Empty(t, d.names(t, mailbox.OutBox))
	require.Zero(t, d.balance(t).Records.Accepted)
	require.Len(t, d.names(t, mailbox.FailBox+"/BOPT44010001020126030801"), 2)
	reasons, err := os.ReadFile(d.box.Path(mailbox.FailBox, "BOPT44010001020126030801.errors.json"))
	require.NoError(t, err)
	require.Contains(t, string(reasons), "BATCH_MISSING")
	require.Contains(t, string(reasons), dataA2)
	reasons, err = os.ReadFile(d.box.Path(mailbox.FailBox, "BOPA44010001020126031001.XML.errors.json"))
	require.NoError(t, err)
	require.Contains(t, string(reasons), "BATCH_ALONE")
}

// TestBatchFolderAndZip takes a sub-folder and a zip whole.
func TestBatchFolderAndZip(t *testing.T) {
	d, _ := newBankDoor(t)
	folder := d.box.Path(mailbox.OutBox, "BOPT44010001020126030801")
	require.NoError(t, os.Mkdir(folder, 0o750))
	write := func(name string, data []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o600))
	}
	write(controlName, control(2, dataA, dataA2))
	write(dataA, data(1, "N001"))
	d.looks(t)
	require.DirExists(t, folder, "not complete")
	write(dataA2, data(1, "N002"))
	d.put(t, "more.zip", zipOf(t, named{"x/BOPT44010001020126030811.XML", control(1, "BOPA44010001020126030811.XML")}, named{"x/BOPA44010001020126030811.XML", data(1, "N003")}))
	d.looks(t)
	require.Empty(t, d.names(t, mailbox.OutBox))
	require.Equal(t, []string{"BOPT44010001020126030801", "more.zip"}, d.names(t, mailbox.SentBox))
	require.EqualValues(t, 3, d.balance(t).Records.Accepted)
}

// TestBatchCrash stops the hub between recording a batch and moving it, and while
// its files are on their way: nothing is taken twice or refused.
func TestBatchCrash(t *testing.T) {
	d, _ := newBankDoor(t)
	files := []named{{controlName, control(2, dataA, dataA2)}, {dataA, data(1, "N001")}, {dataA2, data(1, "N002")}}
	for _, f := range files {
		d.put(t, f.name, f.data)
	}
	sent := d.box.Path(mailbox.SentBox, "")
	require.NoError(t, os.Remove(sent)) // recorded, but cannot be moved
	require.NoError(t, d.look(t.Context()))
	require.Error(t, d.look(t.Context()))
	require.EqualValues(t, 2, d.balance(t).Records.Accepted)
	staged := d.names(t, mailbox.OutBox)
	require.Len(t, staged, 1)
	require.NoError(t, os.Rename(filepath.Join(d.box.Path(mailbox.OutBox, staged[0]), dataA), d.box.Path(mailbox.OutBox, dataA))) // and part of it lies outside

	again, err := NewFiles(d.Intake, d.rig.agency, filepath.Dir(filepath.Clean(sent)), time.Millisecond, 1<<20)
	require.NoError(t, err)
	d.Files = again
	require.Len(t, d.names(t, mailbox.OutBox), 3, "all back")
	d.looks(t)
	require.Empty(t, d.names(t, mailbox.OutBox))
	require.Equal(t, []string{"BOPT44010001020126030801"}, d.names(t, mailbox.SentBox))
	b := d.balance(t)
	require.EqualValues(t, 2, b.Records.Accepted)
	require.EqualValues(t, 2, b.Records.Duplicates)
	require.Zero(t, b.Records.Rejected)
}
