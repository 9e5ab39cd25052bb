package intake

import (
	"archive/zip"
	"bytes"
	"path"
	"path/filepath"
	"strings"

	"tongqu/internal/fault"
)

// packed is a zip with one XML document in it and the files that go with it, as
// import clients of the single window pack a declaration with its PDFs.
type packed struct {
	document *zip.File
	beside   []string
}

// unpack looks into a file; nil when it is no zip with exactly one XML document.
func unpack(name string, body []byte) *packed {
	if !strings.EqualFold(filepath.Ext(name), ".zip") {
		return nil
	}
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil || len(archive.File) > maxZipEntries {
		return nil
	}
	p := &packed{}
	for _, entry := range archive.File {
		switch {
		case strings.HasSuffix(entry.Name, "/"):
		case !strings.EqualFold(path.Ext(entry.Name), ".xml"):
			p.beside = append(p.beside, entry.Name)
		case p.document != nil:
			return nil
		default:
			p.document = entry
		}
	}
	if p.document == nil {
		return nil
	}
	return p
}

// take makes the document in the zip the one that is received. What lies beside it
// is told, and stays in the zip. It reports false when the document is larger than
// it may be.
func (p *packed) take(inb *Inbound, most int64) bool {
	if p.document.UncompressedSize64 > uint64(most) { //nolint:gosec // above 0 by configuration
		return false
	}
	body, err := unzip(p.document)
	if err != nil {
		return true // the zip is received, and refused as what cannot be read
	}
	inb.Body = body
	for _, name := range p.beside {
		inb.Told = append(inb.Told, fault.New(fault.AttachmentLeft, fault.Place{Path: "/", Line: 1, Column: 1}, "", name).Flagged())
	}
	return true
}
