// Send a document to Redis with Go's standard library alone. Usage: go run submit.go BROKER_URL
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

type document struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

type submission struct {
	Collection string     `json:"collection"`
	Key        string     `json:"key"`
	Documents  []document `json:"documents"`
}

func main() {
	message, err := json.Marshal(submission{
		Collection: "default",
		Key:        "go-example",
		Documents:  []document{{ID: "from-go", Text: "The last train to the airport leaves at midnight."}},
	})
	if err != nil {
		log.Fatal(err)
	}
	broker, err := url.Parse(os.Args[1]) // redis://user:password@host:port/0
	if err != nil {
		log.Fatal(err)
	}
	connection, err := net.DialTimeout("tcp", broker.Host, 5*time.Second)
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	replies := bufio.NewReader(connection)
	if broker.User != nil {
		password, _ := broker.User.Password()
		call(connection, replies, "AUTH", broker.User.Username(), password)
	}
	fmt.Println("sent; messages waiting", call(connection, replies, "LPUSH", "lamina.submit", string(message)))
}

// call sends one command in Redis's protocol and returns its reply of one line.
func call(connection net.Conn, replies *bufio.Reader, words ...string) string {
	fmt.Fprintf(connection, "*%d\r\n", len(words))
	for _, word := range words {
		fmt.Fprintf(connection, "$%d\r\n%s\r\n", len(word), word)
	}
	reply, err := replies.ReadString('\n')
	if err != nil {
		log.Fatal(err)
	}
	if strings.HasPrefix(reply, "-") {
		log.Fatal(reply)
	}
	return strings.TrimSpace(reply[1:])
}
