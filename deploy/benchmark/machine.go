//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// machine tells what it was measured on, since the seconds mean nothing elsewhere.
func machine() string {
	return fmt.Sprintf("%s: %d × %s, Linux %s, %s, %s, %s.", time.Now().Format(time.DateOnly), runtime.NumCPU(),
		lineOf("/proc/cpuinfo", `model name\s*: (.*)`), lineOf("/proc/sys/kernel/osrelease", `^(\d+\.\d+)`), runtime.Version(),
		version(`nginx/\S+`, "nginx", "-v"), version(`Apache/[\d.]+`, "/usr/sbin/apache2", "-v"))
}

func lineOf(file, pattern string) string {
	text, _ := os.ReadFile(file)
	if found := regexp.MustCompile(pattern).FindSubmatch(text); found != nil {
		return strings.TrimSpace(string(found[1]))
	}
	return "?"
}

func version(pattern, program string, args ...string) string {
	output, _ := exec.Command(program, args...).CombinedOutput()
	if found := regexp.MustCompile(pattern).Find(output); found != nil {
		return string(found)
	}
	return "no " + program
}
