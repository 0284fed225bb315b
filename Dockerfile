# One image for the API, the worker and the migrations; docker-compose.yml says which.
FROM node:24.20.0-trixie-slim AS build
WORKDIR /app

# Only what the packages and the generated client depend on, so that a change of code does not install anew.
COPY package.json package-lock.json prisma.config.ts ./
COPY dev/generate-client.js dev/
COPY prisma/schema prisma/schema
RUN npm ci --ignore-scripts && node dev/generate-client.js

COPY . .
RUN npm run build

# Prisma's tools are a peer of its client and tsx only runs scripts: a plain prune would keep both. The engine's
# native part comes for five platforms.
RUN npm pkg delete devDependencies dependencies.prisma dependencies.tsx \
  && npm prune --ignore-scripts \
  && find node_modules/@temporalio/core-bridge/releases -mindepth 1 -maxdepth 1 \
    ! -name "$(uname -m)-unknown-linux-gnu" -exec rm -rf {} +

FROM node:24.20.0-trixie-slim
# The flag of `npm start`: what is under way outlives the default young generation, and would be copied again and again.
ENV NODE_ENV=production NODE_OPTIONS=--max-semi-space-size=32
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/prisma/migrations prisma/migrations
COPY --from=build /app/deploy/health.js deploy/
COPY --from=build /app/dist dist
USER node
EXPOSE 3000 3001 3002
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["node", "deploy/health.js", "3000"]
CMD ["node", "dist/start.js", "api"]
