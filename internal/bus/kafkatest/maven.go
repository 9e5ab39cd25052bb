package kafkatest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Version is the Kafka that runs: the newest that Maven serves for Java 17.
const Version = "4.4.0"

// pom names Kafka's broker and its command line tools. The tools are one
// version behind, where Maven serves no newer ones; they are a thin layer that
// runs on the broker's own client jars, therefore none come with them. Without
// slf4j-simple brokers would not log.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tongqu</groupId><artifactId>kafkatest</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>` + Version + `</version>
    </dependency>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>4.3.1</version>
      <exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>
    </dependency>
    <dependency>
      <groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version>
    </dependency>
  </dependencies>
</project>
`

// classpath returns Java's class path of Kafka and its tools. The first call on
// a machine lets Maven fetch the jars, about 45 MB, into the user's cache folder.
func classpath(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache folder: %w", err)
	}
	root := filepath.Join(cache, "tongqu-kafka")
	jars := filepath.Join(root, Version)
	all := filepath.Join(jars, "*")
	switch have, err := os.ReadFile(filepath.Join(jars, "pom.xml")); {
	case err == nil && string(have) == pom:
		return all, nil
	case err == nil:
		if err := os.RemoveAll(jars); err != nil {
			return "", fmt.Errorf("removing an older set of jars: %w", err)
		}
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	part, err := os.MkdirTemp(root, Version+".part-")
	if err != nil {
		return "", fmt.Errorf("making the cache folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(part) }()
	file := filepath.Join(part, "pom.xml")
	if err := os.WriteFile(file, []byte(pom), 0o600); err != nil {
		return "", fmt.Errorf("writing the list of jars: %w", err)
	}
	mvn := exec.CommandContext(ctx, "mvn", "--batch-mode", "--quiet", "--file", file,
		"dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+part) //nolint:gosec // our own pom
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetching Kafka with Maven (Debian package maven): %w\n%s", err, strings.TrimSpace(string(out)))
	}
	// When another process was faster, its jars are as good.
	if err := os.Rename(part, jars); err != nil && !os.IsExist(err) {
		return "", fmt.Errorf("keeping the jars: %w", err)
	}
	return all, nil
}
