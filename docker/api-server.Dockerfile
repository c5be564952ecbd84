# syntax=docker/dockerfile:1
# Build context: the repository. docker build -f docker/api-server.Dockerfile -t granary-api-server .

FROM node:24-bookworm-slim AS build
WORKDIR /granary
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build

FROM node:24-bookworm-slim AS production
WORKDIR /granary
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force

FROM node:24-bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends tini \
 && rm -rf /var/lib/apt/lists/*
ENV NODE_ENV=production \
    LISTEN_ADDRESS=0.0.0.0:12345 \
    LOG_FORMAT=json
WORKDIR /granary
COPY --from=production /granary/node_modules node_modules
COPY --from=build /granary/dist dist
COPY package.json ./
COPY bin bin
USER node
EXPOSE 12345
HEALTHCHECK --interval=5s --timeout=3s --start-period=15s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:12345/health/live').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["tini", "--", "node", "bin/granary.cjs"]
CMD ["api-server"]
