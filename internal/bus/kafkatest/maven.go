package kafkatest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Version is the Kafka that runs: the newest for Java 17.
const Version = "4.4.0"

// toolsVersion is the newest of Kafka's command line tools that Maven serves.
// They bring their own clients.
const toolsVersion = "4.3.1"

// jars is an artifact with all it needs to run, kept in a folder of its own.
type jars struct {
	folder   string
	artifact string
	version  string
}

var (
	brokerJars = jars{folder: Version, artifact: "kafka_2.13", version: Version}
	toolJars   = jars{folder: "tools-" + toolsVersion, artifact: "kafka-tools", version: toolsVersion}
)

// pom is Maven's project of an artifact. Without slf4j-simple Kafka does not log.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tongqu</groupId><artifactId>kafkatest</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>%s</artifactId><version>%s</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
`

// classpath returns Java's class path of the jars. The first call on a machine
// lets Maven fetch them, about 45 MB, into the user's cache folder.
func (j jars) classpath(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	root := filepath.Join(cache, "tongqu-kafka")
	folder := filepath.Join(root, j.folder)
	all := filepath.Join(folder, "*")
	if _, err := os.Stat(folder); err == nil {
		return all, nil // it got its name when it was complete
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	part, err := os.MkdirTemp(root, "part-")
	if err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(part) }()
	project := filepath.Join(part, "pom.xml")
	if err := os.WriteFile(project, fmt.Appendf(nil, pom, j.artifact, j.version), 0o600); err != nil {
		return "", fmt.Errorf("writing Maven's project: %w", err)
	}
	mvn := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "--file", project,
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+part)
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetching %s %s with Maven (Debian package maven): %w\n%s", j.artifact, j.version, err, out)
	}
	if err := os.Rename(part, folder); err != nil && !os.IsExist(err) { // another process was faster
		return "", fmt.Errorf("keeping the jars: %w", err)
	}
	return all, nil
}
