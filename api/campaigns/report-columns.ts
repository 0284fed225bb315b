import type { ReportRow } from '../../prisma/campaign-reports';
import type { CsvColumn } from '../csv';

/**
 * The columns of a campaign's report, named as the files are that become its audience. `execucao` and `posicao` are the
 * `executionId` and `position` of everything else that lists or takes people.
 * @param timeZone of the times, written as spreadsheets read them; null: ISO 8601 in UTC
 */
export function reportColumns(
  agendamentoId: string,
  timeZone: string | null,
): readonly CsvColumn<ReportRow>[] {
  const time = timeZone === null ? isoTime : localTime(timeZone);
  return [
    { header: 'agendamento_id', cell: () => agendamentoId },
    { header: 'execucao', cell: (row) => row.executionId },
    { header: 'posicao', cell: (row) => row.position },
    { header: 'telefone', cell: (row) => row.phone },
    { header: 'email', cell: (row) => row.email },
    { header: 'nome', cell: (row) => row.nome },
    { header: 'cpf_cnpj', cell: (row) => row.cpfCnpj },
    { header: 'idcob_contrato', cell: (row) => row.idcobContrato },
    { header: 'estado', cell: (row) => row.state },
    { header: 'motivo', cell: (row) => row.reason },
    { header: 'id_fornecedor', cell: (row) => row.providerMessageId },
    { header: 'custo', cell: (row) => ({ decimal: row.cost }) },
    { header: 'enviado_em', cell: (row) => time(row.sentAt) },
    { header: 'entregue_em', cell: (row) => time(row.deliveredAt) },
    { header: 'lido_em', cell: (row) => time(row.readAt) },
    { header: 'clicado_em', cell: (row) => time(row.clickedAt) },
    { header: 'falhou_em', cell: (row) => time(row.failedAt) },
    { header: 'pescador', cell: (row) => (row.isFish ? 'sim' : 'nao') },
  ];
}

const isoTime = (at: Date | null): string | null => at?.toISOString() ?? null;

/** `21/11/2026 09:05:00`. */
function localTime(timeZone: string): (at: Date | null) => string | null {
  const format = new Intl.DateTimeFormat('pt-BR', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  return (at) => (at === null ? null : format.format(at).replace(',', ''));
}
