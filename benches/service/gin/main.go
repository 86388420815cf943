// The same routes as one who uses Gin would write them for production: recovery, a histogram by route, a timeout for each
// request, a pool. Built from Debian's packages, see `benches/service.sh`.
//
// DATABASE_URL leads to a database that has the table already, HTTP_ADDR says where to listen.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v4"
	"github.com/jackc/pgx/v4/pgxpool"
	"github.com/patrickmn/go-cache"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	// As many as the generated service has.
	maxConnections = 10
	requestTimeout = 10 * time.Second

	find = "SELECT id, email, name, version, created_at, updated_at FROM accounts WHERE id = $1"
)

var requestDuration = promauto.NewHistogramVec(prometheus.HistogramOpts{
	Name:    "http_server_request_duration_seconds",
	Help:    "How long requests take.",
	Buckets: []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10},
}, []string{"method", "route", "status"})

type account struct {
	ID        uuid.UUID `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Version   int64     `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

type app struct {
	pool     *pgxpool.Pool
	accounts *cache.Cache
}

func main() {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	config.MaxConns = maxConnections
	pool, err := pgxpool.ConnectConfig(context.Background(), config)
	if err != nil {
		log.Fatal(err)
	}
	app := &app{pool: pool, accounts: cache.New(time.Minute, 10*time.Minute)}

	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.Use(gin.Recovery(), measure, limit)
	router.GET("/health", func(c *gin.Context) { c.String(http.StatusOK, "ok") })
	router.GET("/v1/accounts/:id", app.read)
	router.GET("/v1/cached-accounts/:id", app.readCached)
	router.GET("/metrics", gin.WrapH(promhttp.Handler()))
	log.Fatal(router.Run(os.Getenv("HTTP_ADDR")))
}

// measure counts each request by its route.
func measure(c *gin.Context) {
	started := time.Now()
	c.Next()
	status := strconv.Itoa(c.Writer.Status())
	requestDuration.WithLabelValues(c.Request.Method, c.FullPath(), status).Observe(time.Since(started).Seconds())
}

// limit gives each request a deadline, which what it calls keeps to.
func limit(c *gin.Context) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), requestTimeout)
	defer cancel()
	c.Request = c.Request.WithContext(ctx)
	c.Next()
}

func (a *app) read(c *gin.Context) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		c.AbortWithStatus(http.StatusBadRequest)
		return
	}
	found, err := a.find(c.Request.Context(), id)
	if err != nil {
		abort(c, err)
		return
	}
	c.JSON(http.StatusOK, found)
}

func (a *app) readCached(c *gin.Context) {
	id, err := uuid.Parse(c.Param("id"))
	if err != nil {
		c.AbortWithStatus(http.StatusBadRequest)
		return
	}
	key := id.String()
	if cached, ok := a.accounts.Get(key); ok {
		c.JSON(http.StatusOK, cached)
		return
	}
	found, err := a.find(c.Request.Context(), id)
	if err != nil {
		abort(c, err)
		return
	}
	a.accounts.SetDefault(key, found)
	c.JSON(http.StatusOK, found)
}

func (a *app) find(ctx context.Context, id uuid.UUID) (*account, error) {
	var found account
	row := a.pool.QueryRow(ctx, find, id)
	err := row.Scan(&found.ID, &found.Email, &found.Name, &found.Version, &found.CreatedAt, &found.UpdatedAt)
	if err != nil {
		return nil, err
	}
	found.CreatedAt, found.UpdatedAt = found.CreatedAt.UTC(), found.UpdatedAt.UTC()
	return &found, nil
}

func abort(c *gin.Context, err error) {
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		c.AbortWithStatus(http.StatusNotFound)
	case errors.Is(err, context.DeadlineExceeded):
		c.AbortWithStatus(http.StatusGatewayTimeout)
	default:
		c.AbortWithStatus(http.StatusInternalServerError)
	}
}
