/** IANA zone per Brazilian area code. They differ in name even where the clock is the same today: a return of summer time may not be for all. */
const AREA_ZONES: Readonly<Record<string, string>> = {
  ...zoneOf('America/Bahia', '71 73 74 75 77'),
  ...zoneOf('America/Maceio', '79 82'),
  ...zoneOf('America/Recife', '81 87'),
  ...zoneOf('America/Fortaleza', '83 84 85 86 88 89 98 99'),
  ...zoneOf('America/Belem', '91 94 96'),
  ...zoneOf('America/Santarem', '93'),
  ...zoneOf('America/Araguaina', '63'),
  ...zoneOf('America/Cuiaba', '65 66'),
  ...zoneOf('America/Campo_Grande', '67'),
  ...zoneOf('America/Porto_Velho', '69'),
  ...zoneOf('America/Boa_Vista', '95'),
  ...zoneOf('America/Manaus', '92 97'),
  ...zoneOf('America/Rio_Branco', '68'),
  ...zoneOf(
    'America/Sao_Paulo',
    '11 12 13 14 15 16 17 18 19 21 22 24 27 28 31 32 33 34 35 37 38 41 42 43 44 45 46 47 48 49 51 53 54 55 61 62 64',
  ),
};

/** By calling code, only countries where one zone holds for nearly everybody; the others have no honest default. */
const COUNTRY_ZONES: Readonly<Record<string, string>> = {
  '351': 'Europe/Lisbon',
  '34': 'Europe/Madrid',
  '33': 'Europe/Paris',
  '39': 'Europe/Rome',
  '49': 'Europe/Berlin',
  '44': 'Europe/London',
  '353': 'Europe/Dublin',
  '31': 'Europe/Amsterdam',
  '32': 'Europe/Brussels',
  '41': 'Europe/Zurich',
  '81': 'Asia/Tokyo',
  '54': 'America/Argentina/Buenos_Aires',
  '598': 'America/Montevideo',
  '595': 'America/Asuncion',
  '591': 'America/La_Paz',
  '56': 'America/Santiago',
  '51': 'America/Lima',
  '57': 'America/Bogota',
  '58': 'America/Caracas',
  '597': 'America/Paramaribo',
  '592': 'America/Guyana',
  '244': 'Africa/Luanda',
  '258': 'Africa/Maputo',
  '238': 'Atlantic/Cape_Verde',
};

function zoneOf(zone: string, areaCodes: string): Record<string, string> {
  return Object.fromEntries(areaCodes.split(' ').map((code) => [code, zone]));
}

/**
 * The time zone in which a phone probably is: by area code in Brazil, by country where it has one zone.
 * @param e164 a valid number with its `+`
 * @param fallback the company's zone
 */
export function timeZoneOfPhone(e164: string, fallback: string): string {
  if (e164.startsWith('+55')) return AREA_ZONES[e164.slice(3, 5)] ?? fallback;
  return COUNTRY_ZONES[e164.slice(1, 4)] ?? COUNTRY_ZONES[e164.slice(1, 3)] ?? fallback;
}
